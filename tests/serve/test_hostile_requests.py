"""Whatever is sent, the answer is an error in OpenAI's form and never a failure of the server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

schemathesis = pytest.importorskip("schemathesis", reason="needs the extra `dev`")
httpx = pytest.importorskip("httpx", reason="needs the extra `serve`")
pytest.importorskip("starlette", reason="needs the extra `serve`")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from serve_kit import WAFERS, Served, serving  # noqa: E402

from openwafer.serve import Options  # noqa: E402
from openwafer.serve.api._schema import openapi  # noqa: E402
from patience import PATIENCE_S  # noqa: E402

DOCUMENT = openapi("0")
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = sorted((path, method) for path, item in DOCUMENT["paths"].items() for method in item)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    options = Options(most_tokens=64, body_s=0.3)
    with serving([WAFERS], options=options, factor=1e-6) as found:
        yield found


@pytest.fixture(scope="module")
def sender(served: Served) -> Iterator[Any]:
    with httpx.Client(base_url=served.url, timeout=PATIENCE_S) as found:
        yield found


SEEN: set[int] = set()


def check(answer: Any) -> None:
    SEEN.add(answer.status_code)
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400 and answer.headers.get("content-type") == "application/json":
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("path, method", OPERATIONS)
def test_what_the_schema_allows(sender: Any, path: str, method: str) -> None:
    """Cases by schemathesis from the published schema."""

    @settings(max_examples=25)
    @given(SCHEMA[path][method.upper()].as_strategy())
    def run(case: Any) -> None:
        body = case.body if method == "post" else None
        where = case.formatted_path if case.path_parameters else path
        check(sender.request(method, where.replace("\n", "%0A"), params=case.query or None, json=body))

    run()


FINITE = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
NAMES = {
    path: sorted(DOCUMENT["components"]["schemas"][name]["properties"])
    for path, name in (
        ("/v1/chat/completions", "ChatRequest"), ("/v1/completions", "CompletionRequest"),
        ("/v1/responses", "ResponseRequest"),
    )
}  # fmt: skip


@pytest.mark.parametrize("path", NAMES)
def test_any_value_of_any_parameter(sender: Any, path: str) -> None:
    right: dict[str, Any] = {"model": "rule", "messages": [{"role": "user", "content": "a"}], "prompt": "a"}
    right = {name: value for name, value in right.items() if name in NAMES[path]}
    right |= {"input": "a"} if "input" in NAMES[path] else {}

    @settings(max_examples=25)
    @given(st.dictionaries(st.sampled_from(NAMES[path]), JSON, max_size=3))
    def run(wrong: dict[str, Any]) -> None:
        check(sender.post(path, json=right | wrong))

    run()


@given(st.binary(max_size=200))
def test_any_bytes(sender: Any, data: bytes) -> None:
    check(sender.post("/v1/chat/completions", content=data, headers={"content-type": "application/json"}))


def test_a_client_that_sends_nothing(served: Served) -> None:
    """A body that does not come is not waited for."""
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as link:
        head = "POST /v1/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        link.sendall((head + "content-length: 100\r\n\r\n{").encode())
        assert link.recv(100).startswith(b"HTTP/1.1 408")


def test_headers_that_are_wrong(sender: Any) -> None:
    body = {"model": "rule", "prompt": "a"}
    for value in ("x", "-1", "nan", "0"):
        answer = sender.post("/v1/completions", json=body, headers={"x-openwafer-max-token-ms": value})
        assert answer.json()["error"]["param"] == "x-openwafer-max-token-ms" and answer.status_code == 400


def test_some_of_it_was_right() -> None:
    """Else the cases above say little."""
    assert {200, 400, 404} <= SEEN
