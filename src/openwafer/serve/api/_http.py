"""The ASGI application: routes, keys, limits, headers."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import openwafer
from openwafer.diag import DiagnosticError
from openwafer.serve.api._chat import ChatWriter, ask_of_chat, parse_chat
from openwafer.serve.api._completions import CompletionWriter, asks_of_completion, parse_completion
from openwafer.serve.api._errors import ApiError, bad_request
from openwafer.serve.api._events import EventStream, event, logger
from openwafer.serve.api._incoming import check_origin, read_body, wishes_of
from openwafer.serve.api._keys import Caller, Keys
from openwafer.serve.api._merged import Writer, merged
from openwafer.serve.api._metrics import Metrics
from openwafer.serve.api._responses import ResponseWriter
from openwafer.serve.api._responses_request import ask_of_response, parse_response
from openwafer.serve.api._schema import openapi
from openwafer.serve.api._service import Service, Stream
from openwafer.serve.api._tally import receipt_headers

Handler = Callable[[Request, Caller], Awaitable[Any]]


class Api:
    """Handlers of all routes."""

    def __init__(self, service: Service, keys: Keys, metrics: Metrics) -> None:
        self._service, self._keys, self._metrics = service, keys, metrics

    def app(self, hosts: set[str] | None = None) -> Starlette:
        """`hosts`: names by which it may be called; None: any."""
        get, post = ["GET"], ["POST"]
        routes = [
            Route("/health", _health, methods=get),
            Route("/metrics", self._handled(self._metrics_text), methods=get),
            Route("/v1/models", self._handled(self._models), methods=get),
            Route("/v1/models/{id:path}", self._handled(self._model), methods=get),
            Route("/v1/chat/completions", self._handled(self._chat), methods=post),
            Route("/v1/completions", self._handled(self._completions), methods=post),
            Route("/v1/responses", self._handled(self._responses), methods=post),
            Route("/live", _live, methods=get),
            Route("/openapi.json", _openapi, methods=get),
            Route("/v1/decisions", self._handled(self._decisions), methods=get),
            Route("/v1/decisions/{id}", self._handled(self._decision), methods=get),
            Route("/v1/backends", self._handled(self._backends), methods=get),
            Route("/v1/backends/{name}/{action}", self._handled(self._operate), methods=post),
        ]
        handlers: dict[Any, Any] = {HTTPException: _http_error}
        app = Starlette(routes=routes, exception_handlers=handlers)
        if hosts is not None:
            from starlette.middleware.trustedhost import TrustedHostMiddleware

            app.add_middleware(TrustedHostMiddleware, allowed_hosts=sorted(hosts))
        return app

    def _handled(self, handler: Handler) -> Callable[[Request], Awaitable[Any]]:
        """Keys, limits of requests, headers, errors: the same for all."""

        async def handle(request: Request) -> Any:
            begun = time.monotonic()
            headers = {"x-request-id": f"req_{secrets.token_hex(12)}"}
            try:
                check_origin(request)
                caller = self._keys.caller(request.headers.get("authorization"))
                headers |= caller.headers()
                if request.method == "POST":
                    caller.requests.take(1, "requests")
                response = await handler(request, caller)
                headers |= caller.headers()
            except ApiError as error:
                response = JSONResponse(error.body, error.status, dict(error.headers))
            except DiagnosticError as error:
                found = bad_request(None, error.diagnostics[0].message, error.diagnostics[0].id)
                response = JSONResponse(found.body, found.status)
            except Exception as reason:
                logger.exception("a request failed")
                found = ApiError(500, f"internal error: {type(reason).__name__}", code="internal_error")
                response = JSONResponse(found.body, 500)
            headers["openai-processing-ms"] = f"{(time.monotonic() - begun) * 1000:.0f}"
            if isinstance(response, EventStream):
                response.add_headers(headers)
            else:
                response.headers.update(headers)
            return response

        return handle

    # --- answers ---

    async def _chat(self, request: Request, caller: Caller) -> Any:
        body = parse_chat(
            await read_body(request, self._service.options), vendor=self._service.options.vendor
        )
        ask = ask_of_chat(body, self._service.model(body.model))
        streams = self._service.begin(ask, caller, wishes_of(request), body.n)
        return await self._answer(ChatWriter(self._service, body, streams), body.stream)

    async def _completions(self, request: Request, caller: Caller) -> Any:
        body = parse_completion(
            await read_body(request, self._service.options), vendor=self._service.options.vendor
        )
        asks = asks_of_completion(body, self._service.model(body.model))
        wishes = wishes_of(request)
        streams = list[Stream]()
        try:
            for ask in asks:
                streams += self._service.begin(ask, caller, wishes, body.n)
        except ApiError:
            self._service.cancel(streams)
            raise
        return await self._answer(CompletionWriter(self._service, body, streams), body.stream)

    async def _responses(self, request: Request, caller: Caller) -> Any:
        body = parse_response(
            await read_body(request, self._service.options), vendor=self._service.options.vendor
        )
        ask, chat = ask_of_response(body, self._service.model(body.model))
        (stream,) = self._service.begin(ask, caller, wishes_of(request))
        writer = ResponseWriter(self._service, body, chat, stream)
        return await self._answer(writer, body.stream, writer.failure)

    async def _answer(
        self, writer: Writer, is_stream: bool, failure: Callable[[ApiError], bytes] | None = None
    ) -> Any:
        streams, begun = writer.streams, time.monotonic()
        try:
            async with asyncio.timeout(self._service.options.answer_s):
                if not is_stream:
                    whole = await writer.whole()
                    return JSONResponse(whole, headers=receipt_headers(streams[0]))
                await asyncio.gather(*(stream.wait() for stream in streams))
        except TimeoutError:
            self._service.cancel(streams)
            raise ApiError(408, "the answer took longer than is allowed", code="timeout") from None
        except (ApiError, asyncio.CancelledError):
            self._service.cancel(streams)
            raise
        return EventStream(
            merged(writer), receipt_headers(streams[0]), gone=lambda: self._service.cancel(streams),
            write_s=self._service.options.write_s,
            most_s=self._service.options.answer_s - (time.monotonic() - begun),
            failure=failure or (lambda error: event(error.body)),
        )  # fmt: skip

    # --- what there is ---

    async def _models(self, request: Request, caller: Caller) -> Response:
        return JSONResponse({"object": "list", "data": [self._entry(n) for n in self._service.models]})

    async def _model(self, request: Request, caller: Caller) -> Response:
        return JSONResponse(self._entry(self._service.model(request.path_params["id"]).name))

    def _entry(self, name: str) -> dict[str, Any]:
        model = self._service.models[name]
        backends = self._service.router.serves(name)
        context = max((b.capacity().context for b in backends), default=0)
        return {
            "id": name, "object": "model", "created": model.created, "owned_by": "openwafer",
            "max_model_len": context,
            "backends": [{"name": b.name, "kind": b.kind, "system": b.system} for b in backends],
        }  # fmt: skip

    async def _decision(self, request: Request, caller: Caller) -> Response:
        return JSONResponse(self._service.decision(request.path_params["id"], caller))

    async def _decisions(self, request: Request, caller: Caller) -> Response:
        """The newest ones of the caller, those that go on first."""
        limit = request.query_params.get("limit", "20")
        if not limit.isdecimal() or not 1 <= int(limit) <= 1000:
            raise bad_request("limit", "`limit` is from 1 to 1000")
        return JSONResponse({"object": "list", "data": self._service.decisions(caller, int(limit))})

    async def _metrics_text(self, request: Request, caller: Caller) -> Response:
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _backends(self, request: Request, caller: Caller) -> Response:
        router = self._service.router
        rows = [
            {
                "name": b.name, "kind": b.kind, "system": b.system, "models": list(b.models),
                "state": _state(router, b.name), "running": b.capacity().running,
                "slots": b.capacity().slots, "context": b.capacity().context, "watts": b.watts(),
                "attempts": router.breakers[b.name].attempts, "failures": router.breakers[b.name].failed,
            }
            for b in router.backends.values()
        ]  # fmt: skip
        now = {"simulated_s": self._service.clock.now, "waiting": router.waiting, "watts": router.watts()}
        return JSONResponse({"object": "list", "data": rows} | now)

    async def _operate(self, request: Request, caller: Caller) -> Response:
        """Drains, resumes or kills a backend: for keys that may."""
        name, action = request.path_params["name"], request.path_params["action"]
        router = self._service.router
        if not caller.is_admin:
            raise ApiError(403, "this key may not operate backends", code="not_allowed")
        if name not in router.backends:
            raise ApiError(404, f"there is no backend `{name[:100]}`", code="backend_not_found")
        acts = {"drain": router.drain, "resume": router.resume, "kill": router.kill}
        if action not in acts:
            raise ApiError(404, "backends can be drained, resumed and killed", code="action_not_found")
        self._service.clock.arrive(lambda: acts[action](name))
        return JSONResponse({"backend": name, "action": action})


def _state(router: Any, name: str) -> str:
    if name in router.down:
        return "down"
    if name in router.draining:
        return "draining"
    return "open breaker" if router.breakers[name].refuses(router.clock.now) else "ready"


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _openapi(request: Request) -> Response:
    return JSONResponse(openapi(openwafer.__version__))


async def _live(request: Request) -> Response:
    """A page that shows where requests go. It has no data of its own."""
    page = resources.files("openwafer.serve").joinpath("data/live.html").read_text("utf-8")
    policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
    return Response(page, media_type="text/html", headers={"content-security-policy": policy})


async def _http_error(request: Request, error: HTTPException) -> Response:
    words = {404: f"there is no {request.url.path[:200]}", 405: f"{request.method} is not allowed here"}
    found = ApiError(error.status_code, words.get(error.status_code, error.detail), code="not_found")
    return JSONResponse(found.body, found.status, headers=dict(error.headers or {}))
