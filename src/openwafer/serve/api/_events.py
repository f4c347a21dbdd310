"""Server-sent events: what is told while an answer is written."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import msgspec

from openwafer.serve.api._errors import ApiError

logger = logging.getLogger("openwafer.serve")
Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
_encode = msgspec.json.Encoder().encode


def event(data: Any, name: str | None = None) -> bytes:
    body = b"data: " + _encode(data) + b"\n\n"
    return body if name is None else b"event: " + name.encode() + b"\n" + body


DONE = b"data: [DONE]\n\n"


class EventStream:
    """An ASGI response of events. `gone` is called when the client goes away, or reads nothing for `write_s`
    seconds, or if the answer takes more than `most_s` seconds. An error in the middle is an event, since the
    status has been sent."""

    def __init__(
        self, events: AsyncIterator[bytes], headers: Mapping[str, str], *, gone: Callable[[], None],
        write_s: float, most_s: float, failure: Callable[[ApiError], bytes],
    ) -> None:  # fmt: skip
        self._events, self._headers, self._gone = events, dict(headers), gone
        self._write_s, self._most_s, self._failure = write_s, most_s, failure

    def add_headers(self, headers: Mapping[str, str]) -> None:
        self._headers |= headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        plain = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache",
                 "x-accel-buffering": "no"}  # fmt: skip
        headers = [(n.encode(), v.encode()) for n, v in (plain | self._headers).items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        watching = asyncio.create_task(self._watch(receive))
        try:
            await self._send_all(send)
        except OSError:
            self._gone()
        finally:
            watching.cancel()

    async def _send_all(self, send: Send) -> None:
        try:
            async with asyncio.timeout(self._most_s):
                async for data in self._events:
                    await self._write(send, data)
        except ApiError as error:
            self._gone()
            await self._write(send, self._failure(error))
        except TimeoutError:
            self._gone()
            error = ApiError(408, "the answer took longer than is allowed", code="timeout")
            await self._write(send, self._failure(error))
        except OSError:
            raise
        except Exception as reason:
            logger.exception("an answer failed")
            self._gone()
            error = ApiError(500, f"internal error: {type(reason).__name__}", code="internal_error")
            await self._write(send, self._failure(error))
        await self._write(send, b"", more=False)

    async def _write(self, send: Send, data: bytes, *, more: bool = True) -> None:
        """ConnectionError for a client that reads too slowly."""
        try:
            async with asyncio.timeout(self._write_s):
                await send({"type": "http.response.body", "body": data, "more_body": more})
        except TimeoutError:
            raise ConnectionError("the client reads nothing") from None

    async def _watch(self, receive: Receive) -> None:
        """Until the client has gone."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self._gone()
