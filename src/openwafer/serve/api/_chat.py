"""`/v1/chat/completions`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any, Literal

import msgspec

from openwafer.serve.api._ask import (
    Ask,
    Count,
    Name,
    Part,
    Penalty,
    Seed,
    Stop,
    Temperature,
    Tokens,
    bias_of,
    stops_of,
    tier_of,
)
from openwafer.serve.api._errors import bad_request
from openwafer.serve.api._events import DONE, event
from openwafer.serve.api._format import schema_of
from openwafer.serve.api._messages import checked_messages, checked_tools
from openwafer.serve.api._parse import convert
from openwafer.serve.api._service import ServedModel, Service, Stream
from openwafer.serve.api._tally import receipts, usage
from openwafer.serve.text._answer import Piece
from openwafer.serve.text._codec import Codec
from openwafer.serve.text._sample import TokenLogprob
from openwafer.serve.text._template import TemplateRefused
from openwafer.serve.text._tools import ToolCall, call_schema, may_be_call, parse_calls

_IGNORED = frozenset(("user", "safety_identifier", "metadata", "store", "verbosity"))
_REFUSED = frozenset(
    ("audio", "modalities", "prediction", "functions", "function_call", "reasoning_effort",
    "web_search_options",  "moderation")
)  # fmt: skip


class StreamOptions(msgspec.Struct):
    include_usage: bool = False
    include_obfuscation: bool = False
    continuous_usage_stats: bool = False


class ChatRequest(msgspec.Struct, kw_only=True):
    """What is supported; see OpenAI's documentation of each."""

    model: Name
    messages: list[dict[str, Any]]
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    temperature: Temperature = 1.0
    top_p: Part = 1.0
    top_k: Count | None = None
    n: Count = 1
    stop: Stop = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    seed: Seed | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool = False
    top_logprobs: int | None = None
    presence_penalty: Penalty = 0.0
    frequency_penalty: Penalty = 0.0
    response_format: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool = True
    service_tier: Name | None = None
    prompt_cache_key: Name | None = None
    prompt_cache_retention: Literal["in_memory", "in-memory", "24h"] | None = None
    ignore_eos: bool = False
    min_tokens: int = 0


def parse_chat(body: dict[str, Any], *, vendor: bool) -> ChatRequest:
    return convert(body, ChatRequest, ignored=_IGNORED, refused=_REFUSED, vendor=vendor)


def prompt_of(codec: Codec, messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> list[int]:
    """Tokens of a chat by the model's template."""
    if codec.template is None:
        text = "the model has no chat template: use /v1/completions, or start the server with one"
        raise bad_request("messages", text, "no_chat_template")
    try:
        text = codec.template.render(messages, tools)
    except TemplateRefused as reason:
        raise bad_request("messages", f"the chat template refuses: {reason}") from None
    return codec.encode(text)


def ask_of_chat(request: ChatRequest, model: ServedModel) -> Ask:
    codec = model.codec
    tools = checked_tools(request.tools)
    top = request.top_logprobs or 0
    if not 0 <= top <= 20 or (top and not request.logprobs):
        raise bad_request("top_logprobs", "`top_logprobs` is from 0 to 20, with `logprobs`")
    choice = _tool_choice(request.tool_choice, tools)
    used = [] if choice == "none" else tools
    schema = schema_of(request.response_format)
    if choice not in ("none", "auto"):
        schema = call_schema(tools, None if choice == "required" else choice.removeprefix("="))
    return Ask(
        model=model.name, prompt=prompt_of(codec, checked_messages(request.messages), used),
        most_tokens=request.max_completion_tokens or request.max_tokens, temperature=request.temperature,
        top_p=request.top_p, top_k=request.top_k, seed=request.seed,
        bias=bias_of(request.logit_bias, codec.vocabulary), presence=request.presence_penalty,
        frequency=request.frequency_penalty, stops=stops_of(request.stop), schema=schema,
        top=top if request.logprobs else None, tier=tier_of(request.service_tier),
        session=request.prompt_cache_key, ignores_stop=request.ignore_eos, least_tokens=request.min_tokens,
    )  # fmt: skip


def _tool_choice(choice: str | dict[str, Any] | None, tools: list[dict[str, Any]]) -> str:
    """none, auto, required, or `=` and a name."""
    names = {tool["function"]["name"] for tool in tools}
    match choice:
        case None:
            return "auto" if tools else "none"
        case "none":
            return "none"
        case "auto" | "required" if tools:
            return choice
        case {"type": "function", "function": {"name": str(name)}} if name in names:
            return f"={name}"
        case {"type": "function", "name": str(name)} if name in names:
            return f"={name}"
        case _:
            raise bad_request("tool_choice", "`tool_choice` is none, auto, required or one of the `tools`")


def tool_names(request: ChatRequest) -> set[str]:
    """Of those that may be called."""
    tools = [] if request.tool_choice == "none" else request.tools or []
    return {str(tool["function"]["name"]) for tool in tools}


class ChatWriter:
    """Choices of a chat, as they grow. Text that may be a tool call waits until it is clear."""

    def __init__(self, service: Service, request: ChatRequest, streams: list[Stream]) -> None:
        self._service, self._request, self.streams = service, request, streams
        self._codec = service.model(request.model).codec
        self.tools = tool_names(request)
        self._head = {
            "id": f"chatcmpl-{streams[0].job.id[4:]}", "created": int(time.time()), "model": request.model,
            "system_fingerprint": "openwafer",
        }  # fmt: skip

    async def whole(self) -> dict[str, Any]:
        choices = [await self._choice(at, stream) for at, stream in enumerate(self.streams)]
        return self._head | {
            "object": "chat.completion", "choices": choices, "service_tier": self.streams[0].job.tier,
            "usage": usage(self.streams, len(self.streams)), "openwafer": receipts(self._service,
            self.streams),
        }  # fmt: skip

    async def _choice(self, at: int, stream: Stream) -> dict[str, Any]:
        pieces = [piece async for piece in pieces_of(stream)]
        text = "".join(piece.text for piece in pieces)
        calls = parse_calls(text, self.tools) if self.tools else []
        message: dict[str, Any] = {"role": "assistant", "content": None if calls else text, "refusal": None}
        if calls:
            message["tool_calls"] = [_call(call, stream, i) for i, call in enumerate(calls)]
        found = [entry for piece in pieces for entry in piece.logprobs]
        return {
            "index": at, "message": message, "logprobs": self._logprobs(found),
            "finish_reason": "tool_calls" if calls else stream.job.finish,
        }  # fmt: skip

    def _logprobs(self, found: list[TokenLogprob]) -> dict[str, Any] | None:
        if not self._request.logprobs:
            return None
        return {"content": [logprob_entry(self._codec, entry) for entry in found], "refusal": None}

    # --- as a stream ---

    async def events(self, stream: Stream) -> AsyncIterator[bytes]:
        """Of one choice. What has come meanwhile goes out together."""
        at, held = self.streams.index(stream), ""
        yield self._chunk(at, {"role": "assistant", "content": "", "refusal": None})
        while pieces := await stream.next():
            data = b""
            for piece in pieces:
                text = held + piece.text
                if self.tools and piece.finish is None and may_be_call(text):
                    held = text
                else:
                    data, held = data + self._piece(at, stream, piece, text), ""
            if data:
                yield data

    def _piece(self, at: int, stream: Stream, piece: Piece, text: str) -> bytes:
        """Chunks of a piece with the text that was held back before it."""
        is_end = piece.finish is not None
        calls = parse_calls(text, self.tools) if self.tools and is_end else []
        delta: dict[str, Any] = {"content": text} if text and not calls else {}
        if calls:
            delta = {"tool_calls": [{"index": i} | _call(c, stream, i) for i, c in enumerate(calls)]}
        data = b""
        if delta or piece.logprobs:
            data = self._chunk(at, delta, logprobs=self._logprobs(piece.logprobs))
        if is_end:
            data += self._chunk(at, {}, finish="tool_calls" if calls else piece.finish)
        return data

    def _chunk(
        self, at: int, delta: dict[str, Any], *, logprobs: Any = None, finish: str | None = None
    ) -> bytes:
        choice = {"index": at, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return event(self._part([choice]))

    def _part(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        options = self._request.stream_options
        tier = self.streams[0].job.tier
        more = {"object": "chat.completion.chunk", "choices": choices, "service_tier": tier}
        found: dict[str, Any] = self._head | more
        if options is not None and options.include_usage:
            now = options.continuous_usage_stats
            found["usage"] = usage(self.streams, len(self.streams)) if now else None
        return found

    def last(self) -> bytes:
        """The chunk with the usage, if it is wanted, and the end."""
        options = self._request.stream_options
        if options is None or not options.include_usage:
            return DONE
        tally = usage(self.streams, len(self.streams))
        return (
            event(self._part([]) | {"usage": tally, "openwafer": receipts(self._service, self.streams)})
            + DONE
        )


async def pieces_of(stream: Stream) -> AsyncIterator[Piece]:
    while pieces := await stream.next():
        for piece in pieces:
            yield piece


def _call(call: ToolCall, stream: Stream, at: int) -> dict[str, Any]:
    return {
        "id": f"call_{stream.job.id[4:]}_{at}", "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }  # fmt: skip


def logprob_entry(codec: Codec, entry: TokenLogprob) -> dict[str, Any]:
    """A token in OpenAI's form: as text, and as bytes, since a token may be a part of a character."""

    def one(token: int, value: float) -> dict[str, Any]:
        data = codec.token_bytes(token)
        return {"token": data.decode("utf-8", "replace"), "logprob": max(value, -9999.0), "bytes": list(data)}

    top = [one(token, value) for token, value in entry.top]
    return one(entry.token, entry.logprob) | {"top_logprobs": top}
