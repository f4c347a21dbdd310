"""The API by the unmodified client of OpenAI, and by hand where that client would not do it."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

openai = pytest.importorskip("openai", reason="needs the extra `dev`")
httpx = pytest.importorskip("httpx", reason="needs the extra `serve`")
pytest.importorskip("starlette", reason="needs the extra `serve`")

from pydantic import BaseModel  # noqa: E402
from serve_kit import GPUS, WAFERS, Served, serving  # noqa: E402

from openwafer.serve import Options, load_keys  # noqa: E402
from patience import PATIENCE_S  # noqa: E402

HELLO = [{"role": "user", "content": "Hello"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"town": {"type": "string", "maxLength": 8}},
            "required": ["town"],
            "additionalProperties": False,
        },
    },
}


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving() as found:
        yield found


@pytest.fixture(scope="module")
def client(served: Served) -> Any:
    return served.client()


def post(served: Served, path: str, body: Any, **headers: str) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"content-type": "application/json"} | headers
    return httpx.post(f"{served.base_url}/{path}", content=content, headers=given, timeout=PATIENCE_S)


def test_models(client: Any) -> None:
    assert [m.id for m in client.models.list()] == ["rule"]
    assert client.models.retrieve("rule").owned_by == "openwafer"
    with pytest.raises(openai.NotFoundError) as failure:
        client.models.retrieve("none")
    assert failure.value.code == "model_not_found" and failure.value.param == "model"


def test_a_chat_and_its_stream_are_the_same(client: Any) -> None:
    ask: dict[str, Any] = {"model": "rule", "messages": HELLO, "max_completion_tokens": 40, "seed": 5}
    whole = client.chat.completions.create(**ask)
    chunks = list(client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True}))
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content and text
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == whole.choices[0].finish_reason
    assert all(c.usage is None for c in chunks[:-1]) and chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    found = whole.openwafer
    assert found["estimated"] and found["simulated"]["first_token_s"] > 0 and found["wall"]["seconds"] > 0


def test_seeds_choices_and_temperature(client: Any) -> None:
    def texts(**more: Any) -> list[str]:
        ask = {"model": "rule", "messages": HELLO, "max_tokens": 12} | more
        return [c.message.content for c in client.chat.completions.create(**ask).choices]

    assert texts(seed=1, n=3) == texts(seed=1, n=3)
    assert len(set(texts(seed=1, n=3))) == 3
    assert texts(temperature=0, n=2)[0] == texts(temperature=0, seed=9)[0]
    assert texts(seed=4, top_p=1e-9) == texts(temperature=0)
    assert texts(logit_bias={"33": 100}, stop=None) == ["!" * 12]


def test_stops_are_not_told(client: Any) -> None:
    ask: dict[str, Any] = {"model": "rule", "prompt": "abc", "max_tokens": 60, "seed": 2}
    whole = client.completions.create(**ask).choices[0].text
    stop = whole[7:10]
    for stream in (False, True):
        found = client.completions.create(**ask, stop=["nothing", stop], stream=stream)
        choices = [c.choices[0] for c in found] if stream else [found.choices[0]]
        assert "".join(c.text for c in choices) == whole[: whole.index(stop)]
        assert choices[-1].finish_reason == "stop"


def test_prompts_as_tokens_and_several(client: Any) -> None:
    def texts(prompt: Any, **more: Any) -> list[str]:
        ask = {"model": "rule", "max_tokens": 6, "temperature": 0}
        return [c.text for c in client.completions.create(prompt=prompt, **(ask | more)).choices]

    assert texts(list(b"abc")) == texts("abc")
    assert texts(["abc", "xyz"]) == texts("abc") + texts("xyz")
    assert texts([[97, 98, 99], [120]]) == texts("abc") + texts("x")
    assert texts("abc", echo=True) == ["abc" + texts("abc")[0]]
    assert texts("abc", echo=True, max_tokens=0, logprobs=1) == ["abc"]


def test_logprobs_of_prompt_and_answer(client: Any) -> None:
    found = client.completions.create(
        model="rule", prompt="abc", max_tokens=4, temperature=0, echo=True, logprobs=3
    ).choices[0]
    entries = found.logprobs
    assert entries.tokens == list(found.text) and entries.text_offset == list(range(7))
    assert entries.token_logprobs[0] is None and entries.top_logprobs[0] is None
    later = (entries.tokens[3:], entries.token_logprobs[3:], entries.top_logprobs[3:])
    for word, value, top in zip(*later, strict=True):
        assert top[word] == value == max(top.values()) and len(top) == 3
    chat = client.chat.completions.create(
        model="rule", messages=HELLO, max_tokens=3, logprobs=True, top_logprobs=2, temperature=0
    ).choices[0]
    assert "".join(e.token for e in chat.logprobs.content) == chat.message.content
    assert all(e.bytes == list(e.token.encode()) and len(e.top_logprobs) == 2 for e in chat.logprobs.content)


class Town(BaseModel):
    name: str
    people: int
    is_large: bool


def test_answers_of_a_schema(client: Any) -> None:
    schema = Town.model_json_schema() | {"additionalProperties": False}
    schema["properties"]["name"]["maxLength"] = 12
    form = {"type": "json_schema", "json_schema": {"name": "town", "schema": schema, "strict": True}}
    for seed in range(4):
        found = client.chat.completions.create(
            model="rule", messages=HELLO, response_format=form, seed=seed, max_tokens=400
        ).choices[0]
        if found.finish_reason == "stop":
            Town.model_validate_json(found.message.content)
    with pytest.raises(openai.BadRequestError, match="response_format"):
        form["json_schema"]["schema"] = {"type": "strange"}
        client.chat.completions.create(model="rule", messages=HELLO, response_format=form)


def test_tools_that_must_be_called(client: Any) -> None:
    ask: dict[str, Any] = {"model": "rule", "messages": HELLO, "tools": [TOOL], "seed": 1, "max_tokens": 200}
    choice = {"type": "function", "function": {"name": "weather"}}
    for wanted in ("required", choice):
        found = client.chat.completions.create(**ask, tool_choice=wanted).choices[0]
        (call,) = found.message.tool_calls
        assert found.finish_reason == "tool_calls" and found.message.content is None
        assert call.function.name == "weather" and list(json.loads(call.function.arguments)) == ["town"]
    chunks = list(client.chat.completions.create(**ask, tool_choice=choice, stream=True))
    deltas = [c.choices[0].delta.tool_calls[0] for c in chunks if c.choices[0].delta.tool_calls]
    assert "".join(d.function.arguments for d in deltas) == call.function.arguments
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    answered = [
        *HELLO, found.message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "rain"},
    ]  # fmt: skip
    assert client.chat.completions.create(**(ask | {"messages": answered})).choices[0].message.content
    plain = client.chat.completions.create(**ask, tool_choice="none").choices[0]
    assert plain.message.tool_calls is None


def test_responses_and_their_events(client: Any) -> None:
    ask: dict[str, Any] = {"model": "rule", "input": "Hello", "max_output_tokens": 400, "temperature": 0}
    whole = client.responses.create(**ask)
    with client.responses.stream(**ask) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert whole.status == "completed" and final.output_text == whole.output_text
    deltas = [e.delta for e in events if e.type == "response.output_text.delta"]
    assert "".join(deltas) == whole.output_text
    assert [e.sequence_number for e in events] == list(range(len(events)))
    assert whole.usage.output_tokens > 0 and whole.usage.total_tokens == final.usage.total_tokens
    cut = client.responses.create(**(ask | {"max_output_tokens": 3}))
    assert cut.status == "incomplete" and cut.incomplete_details.reason == "max_output_tokens"
    parameters: Any = TOOL["function"]["parameters"]  # type: ignore[index]
    tool = {"type": "function", "name": "weather", "parameters": parameters, "strict": True}
    called = client.responses.create(**ask, tools=[tool], tool_choice="required")
    (call,) = called.output
    assert call.type == "function_call" and "town" in json.loads(call.arguments)
    more = [{"role": "user", "content": "Hello"}, call.model_dump(exclude_none=True),
            {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}]  # fmt: skip
    assert client.responses.create(**(ask | {"input": more}), instructions="Be brief.").status == "completed"


def test_a_decision_can_be_read_again(served: Served, client: Any) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="rule",
        messages=HELLO,
        max_tokens=3,
        service_tier="ultrafast",  # type: ignore[arg-type]
    )
    assert raw.headers["x-openwafer-backend"] == "wafers" and raw.headers["x-openwafer-tier"] == "ultrafast"
    assert float(raw.headers["x-openwafer-simulated-ms"]) > 0 and raw.headers["x-request-id"]
    id = raw.headers["x-openwafer-decision"]
    found = httpx.get(f"{served.base_url}/decisions/{id}").json()
    assert found == raw.parse().openwafer and found["tier"] == {"asked": "ultrafast", "used": "ultrafast"}
    reasons = {c["backend"]: c["why_not"] for c in found["candidates"]}
    assert reasons["wafers"] is None and "a token takes" in reasons["gpus"]
    logged = [json.loads(line) for line in served.log.getvalue().splitlines()]
    assert any(entry["id"] == id for entry in logged)
    assert "Hello" not in served.log.getvalue()


def test_classes_are_kept_or_refused() -> None:
    with serving([GPUS]) as served:
        client = served.client()
        ask: dict[str, Any] = {"model": "rule", "messages": HELLO, "max_tokens": 3}
        ask |= {"service_tier": "ultrafast"}
        with pytest.raises(openai.APIStatusError) as failure:
            client.chat.completions.create(**ask)
        assert failure.value.status_code == 503 and failure.value.code == "tier_unavailable"
        allowed = {"x-openwafer-downgrade": "allow"}
        found = client.chat.completions.create(**ask, extra_headers=allowed)
        assert found.service_tier == "priority"
        assert found.openwafer["tier"] == {"asked": "ultrafast", "used": "priority"}
        slow = {"x-openwafer-max-token-ms": "0.5"}
        with pytest.raises(openai.APIStatusError, match="tier"):
            client.chat.completions.create(model="rule", messages=HELLO, extra_headers=slow)


@pytest.mark.parametrize(
    "path, body, param, code",
    [
        ("chat/completions", {"audio": {}}, "audio", "unsupported_parameter"),
        ("chat/completions", {"tempersture": 1}, "tempersture", "unknown_parameter"),
        ("chat/completions", {"top_k": 1}, "top_k", "unsupported_parameter"),
        ("chat/completions", {"temperature": 3}, "temperature", "invalid_type"),
        ("chat/completions", {"temperature": "hot"}, "temperature", "invalid_type"),
        ("chat/completions", {"model": None}, "model", "missing_required_parameter"),
        ("chat/completions", {"model": "gpt-5"}, "model", "model_not_found"),
        ("chat/completions", {"messages": []}, "messages", "empty_array"),
        ("chat/completions", {"messages": [{"role": "x"}]}, "messages[0].role", "invalid_value"),
        ("chat/completions", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
         "messages[0].content[0].type", "unsupported_value"),
        ("chat/completions", {"messages": [{"role": "tool", "tool_call_id": "x", "content": ""}]},
         "messages[0].tool_call_id", "invalid_value"),
        ("chat/completions", {"max_tokens": 200_000}, "messages", "context_length_exceeded"),
        ("chat/completions", {"max_tokens": 100_000}, "max_completion_tokens", "invalid_value"),
        ("chat/completions", {"n": 100}, "n", "invalid_value"),
        ("chat/completions", {"stop": ["a"] * 5}, "stop", "invalid_value"),
        ("chat/completions", {"service_tier": "gold"}, "service_tier", "invalid_value"),
        ("chat/completions", {"logit_bias": {"9999": 1}}, "logit_bias", "invalid_value"),
        ("chat/completions", {"tool_choice": "required"}, "tool_choice", "invalid_value"),
        ("chat/completions", {"tools": [{"type": "web_search"}]}, "tools[0]", "invalid_value"),
        ("completions", {"prompt": [1, 2, 999]}, "prompt", "invalid_value"),
        ("completions", {"prompt": ""}, "prompt", "empty_string"),
        ("completions", {"prompt": "a", "max_tokens": 0}, "max_tokens", "invalid_value"),
        ("completions", {"prompt": "a", "suffix": "b"}, "suffix", "unsupported_parameter"),
        ("responses", {"input": "a", "previous_response_id": "x"}, "previous_response_id",
        "unsupported_parameter"),
        ("responses", {"input": [{"type": "reasoning"}]}, "input[0].type", "unsupported_value"),
    ],
)  # fmt: skip
def test_what_is_refused_is_named(served: Served, path: str, body: Any, param: str, code: str) -> None:
    whole = {"model": "rule"} | ({"messages": HELLO} if path == "chat/completions" else {}) | body
    found = post(served, path, whole)
    error = found.json()["error"]
    assert (error["param"], error["code"]) == (param, code) and 400 <= found.status_code < 500, found.text
    assert error["message"] and error["type"] == "invalid_request_error" and found.headers["x-request-id"]


def test_bodies_that_are_none(served: Served) -> None:
    for body in (b"", b"[1]", b"{", b'{"a": ' * 5000, b"\xff", b"[" * 100_000):
        found = post(served, "chat/completions", body)
        assert found.status_code == 400 and found.json()["error"]["code"] == "invalid_json"
    assert post(served, "chat/completions", b"x" * (4 * 2**20 + 1)).status_code == 413
    assert httpx.post(f"{served.base_url}/chat/completions", content=b"{}").status_code == 415
    assert httpx.get(f"{served.base_url}/nothing").json()["error"]["code"] == "not_found"
    assert httpx.get(f"{served.base_url}/chat/completions").status_code == 405
    assert httpx.get(f"{served.url}/health", headers={"host": "evil.example"}).status_code == 400


def test_vendor_parameters_are_taken_by_a_flag() -> None:
    with serving([WAFERS], options=Options(vendor=True)) as served:
        found = served.client().completions.create(
            model="rule", prompt="abc", max_tokens=300, temperature=0,
            extra_body={"ignore_eos": True, "return_token_ids": True},
        )  # fmt: skip
        assert found.usage.completion_tokens == 300 == len(found.choices[0].token_ids)


KEYS = """
[[key]]
name = "alice"
sha256 = "{alice}"
admin = true

[[key]]
name = "bob"
sha256 = "{bob}"
requests_per_minute = 3
tokens_per_minute = 1000
tiers = ["flex"]
"""


def test_keys_and_their_limits(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    hashes = {n: hashlib.sha256(f"key-{n}".encode()).hexdigest() for n in ("alice", "bob")}
    path.write_text(KEYS.format(**hashes), "utf-8")
    with serving(keys=load_keys(path)) as served:
        alice, bob = (served.client(api_key=f"key-{name}") for name in ("alice", "bob"))
        for wrong in ("none", "key-alic"):
            with pytest.raises(openai.AuthenticationError):
                served.client(api_key=wrong).models.list()
        assert httpx.get(f"{served.url}/metrics").status_code == 401
        ask: dict[str, Any] = {"model": "rule", "messages": HELLO, "max_tokens": 5}
        mine = bob.chat.completions.with_raw_response.create(**ask)
        assert mine.parse().service_tier == "flex" and mine.headers["x-ratelimit-limit-requests"] == "3"
        with pytest.raises(openai.PermissionDeniedError, match="tier"):
            bob.chat.completions.create(**ask, service_tier="priority")
        with pytest.raises(openai.RateLimitError, match="tokens"):
            bob.chat.completions.create(**(ask | {"max_tokens": 2000}))
        with pytest.raises(openai.RateLimitError) as failure:
            bob.chat.completions.create(**ask)
        assert 0 < float(failure.value.response.headers["retry-after-ms"]) <= 20_000
        id = mine.headers["x-openwafer-decision"]
        other = alice.chat.completions.with_raw_response.create(**ask).headers["x-openwafer-decision"]
        headers = {"authorization": "Bearer key-bob"}
        assert httpx.get(f"{served.base_url}/decisions/{id}", headers=headers).status_code == 200
        assert httpx.get(f"{served.base_url}/decisions/{other}", headers=headers).status_code == 404
        drain = httpx.post(f"{served.base_url}/backends/gpus/drain", headers=headers)
        assert drain.status_code in (403, 429)


def test_backends_can_be_drained_and_killed(served: Served, client: Any) -> None:
    def act(name: str, action: str) -> None:
        assert httpx.post(f"{served.base_url}/backends/{name}/{action}").status_code == 200

    def state() -> dict[str, str]:
        return {b["name"]: b["state"] for b in httpx.get(f"{served.base_url}/backends").json()["data"]}

    act("gpus", "drain")
    act("wafers", "kill")
    served.call(lambda: None)
    assert state() == {"gpus": "draining", "wafers": "down"}
    act("wafers", "resume")
    found = client.chat.completions.create(model="rule", messages=HELLO, max_tokens=3)
    assert found.openwafer["backend"] == "wafers"
    act("gpus", "resume")
    served.call(lambda: None)
    assert state() == {"gpus": "ready", "wafers": "ready"}
    assert httpx.post(f"{served.base_url}/backends/none/kill").status_code == 404


def test_metrics(served: Served, client: Any) -> None:
    client.chat.completions.create(model="rule", messages=HELLO, max_tokens=3)
    text = httpx.get(f"{served.url}/metrics").text
    for name in ("vllm:num_requests_running", "vllm:generation_tokens_total",
                 "vllm:time_to_first_token_seconds_count", "vllm:request_success_total",
                 "openwafer:joules_total", "openwafer:watts"):  # fmt: skip
        assert name in text


def test_a_client_that_goes_away_frees_its_place() -> None:
    with serving([WAFERS], factor=1.0) as served:
        stream = served.client().chat.completions.create(
            model="rule", messages=HELLO, max_tokens=4000, stream=True, logit_bias={"257": -100}
        )
        for _, _chunk in zip(range(5), stream, strict=False):
            assert len(served.service.streams) == 1
        stream.close()
        done = threading.Event()
        for _ in range(1000):
            if not served.service.streams:
                break
            done.wait(0.02)
        assert not served.service.streams and not served.service.router.running


def test_pages_of_other_sites_are_refused(served: Served) -> None:
    """A web page could else stop a backend in the name of whoever looks at it."""
    kill = f"{served.base_url}/backends/gpus/kill"
    for origin in ("https://evil.example", "null"):
        assert httpx.post(kill, headers={"origin": origin}).json()["error"]["code"] == "cross_origin"
    assert httpx.get(f"{served.base_url}/models", headers={"origin": served.url}).status_code == 200


def test_an_answer_that_takes_too_long() -> None:
    """The error comes in the stream, as its status has been sent."""
    with serving([WAFERS], factor=1000.0, options=Options(answer_s=0.5)) as served:
        ask: dict[str, Any] = {"model": "rule", "messages": HELLO, "logit_bias": {"257": -100}}
        with pytest.raises(openai.APIStatusError) as failure:
            served.client().chat.completions.create(**ask)
        assert failure.value.status_code == 408
    with serving([WAFERS], factor=10.0, options=Options(answer_s=0.5)) as served:
        with pytest.raises(openai.APIError, match="longer than is allowed"):
            for _ in served.client().chat.completions.create(**ask, stream=True):
                pass
        served.call(lambda: None)
        assert not served.service.streams


def test_one_prompt_too_long_ends_the_others(served: Served) -> None:
    found = post(served, "completions", {"model": "rule", "prompt": ["a", "b" * 140_000], "max_tokens": 4000})
    assert found.json()["error"]["code"] == "context_length_exceeded"
    served.call(lambda: None)
    assert not served.service.streams
