"""Upstreams: another server of this kind by its URL, and servers that misbehave."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

openai = pytest.importorskip("openai", reason="needs the extra `dev`")
pytest.importorskip("httpx", reason="needs the extra `serve`")

from serve_kit import GPUS, serving  # noqa: E402

from openwafer.serve import Options, Policy, UpstreamSpec, load_policy  # noqa: E402

ASK: dict[str, Any] = {"model": "rule", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 30}


def upstream(url: str, name: str = "up", **more: Any) -> UpstreamSpec:
    return UpstreamSpec(name, url, "rule", **({"usd_per_million_in": 0.0, "usd_per_million_out": 0.0} | more))


def test_an_upstream_writes_what_it_writes_alone() -> None:
    with (
        serving([GPUS], options=Options(vendor=True)) as far,
        serving([upstream(far.base_url)], factor=1.0) as near,
    ):
        wanted = far.client().chat.completions.create(**ASK, seed=3)
        found = near.client().chat.completions.create(**ASK, seed=3)
        assert found.choices[0].message.content == wanted.choices[0].message.content
        assert found.choices[0].finish_reason == wanted.choices[0].finish_reason
        assert found.usage.completion_tokens == wanted.usage.completion_tokens
        assert found.openwafer["kind"] == "upstream" and found.openwafer["simulated"] is None
        assert found.openwafer["wall"]["seconds"] > 0
        chunks = near.client().chat.completions.create(**ASK, seed=3, stream=True)
        text = "".join(c.choices[0].delta.content or "" for c in chunks)
        assert text == wanted.choices[0].message.content


class Handler(BaseHTTPRequestHandler):
    """Answers with what the server was given: a status, headers, a body."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.asked += 1  # type: ignore[attr-defined]
        status, headers, body = self.server.answer  # type: ignore[attr-defined]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@contextmanager
def answering(status: int, body: bytes = b"", **headers: str) -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answer, server.asked = (status, {k.replace("_", "-"): v for k, v in headers.items()}, body), 0
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def url_of(server: Any) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/v1"


BROKEN = {
    "an error": (500, b"oops"),
    "no JSON": (200, b"data: {\n\n"),
    "no object": (200, b"data: 1\n\n"),
    "an error in the stream": (200, b'data: {"error": {"message": "x"}}\n\n'),
    "nothing": (200, b""),
    "no choice": (200, b'data: {"choices": [1]}\n\n'),
    "no text": (200, b'data: {"choices": [{"text": 1}]}\n\n'),
    "no tokens": (200, b'data: {"choices": [{"text": "a", "token_ids": ["a"]}]}\n\n'),
    "no list": (200, b'data: {"choices": 1}\n\n'),
    "cut": (200, b'data: {"choices": [{"text": "ab", "token_ids": [97, 98]}]}\n\n'),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_another_backend_goes_on(kind: str) -> None:
    """Where the upstream ended; what it had written stays, and the rest follows from it."""
    with answering(*BROKEN[kind]) as server, serving([upstream(url_of(server)), GPUS], factor=1.0) as near:
        found = near.client().chat.completions.create(**ASK, seed=3, temperature=0)
        assert found.openwafer["backends_tried"] == ["up", "gpus"] and server.asked == 1
        text, alone = found.choices[0].message.content, near.client()
        if kind == "cut":
            assert text.startswith("ab") and len(text) > 2
        else:
            near.call(lambda: near.service.router.drain("up"))
            assert text == alone.chat.completions.create(**ASK, temperature=0).choices[0].message.content


def test_the_only_backend_is_left_alone_for_as_long_as_it_asks(tmp_path: Path) -> None:
    """The breaker works with a single backend: the client is told, and the upstream is not asked again."""
    path = tmp_path / "router.toml"
    path.write_text("[tier.default]\nwait_s = 0.05\n", "utf-8")
    policy: Policy = load_policy(path)
    with (
        answering(429, b"{}", retry_after_ms="60000") as server,
        serving([upstream(url_of(server))], policy=policy, factor=1.0) as near,
    ):
        for _ in range(3):
            with pytest.raises(openai.APIStatusError) as failure:
                near.client().chat.completions.create(**ASK)
            assert failure.value.status_code == 503 and "retry-after-ms" in failure.value.response.headers
        assert server.asked == 1


def test_a_client_that_retries_gets_its_answer(tmp_path: Path) -> None:
    path = tmp_path / "router.toml"
    path.write_text("[breaker]\nfailures = 1\nopen_s = 0.2\n[failover]\nattempts = 1\n", "utf-8")
    with answering(500) as server:
        spec = [upstream(url_of(server))]
        with serving(spec, policy=load_policy(path), factor=1.0) as near:
            with pytest.raises(openai.InternalServerError, match="the backend failed"):
                near.client().chat.completions.create(**ASK)
            body = (
                b'data: {"choices": [{"text": "ok", "token_ids": [111, 107], "finish_reason": "stop"}]}\n\n'
            )
            server.answer = (200, {}, body)
            found = near.client(max_retries=2).chat.completions.create(**ASK)
            assert found.choices[0].message.content == "ok" and server.asked == 2
