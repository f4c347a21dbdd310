"""`/v1/completions`: a prompt as text or tokens, with the prompt's own probabilities on demand."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from openwafer.serve.api._ask import (
    Ask,
    Count,
    Name,
    Part,
    Penalty,
    Seed,
    Stop,
    Temperature,
    bias_of,
    stops_of,
    tier_of,
)
from openwafer.serve.api._chat import StreamOptions, pieces_of
from openwafer.serve.api._errors import bad_request
from openwafer.serve.api._events import DONE, event
from openwafer.serve.api._parse import convert
from openwafer.serve.api._service import ServedModel, Service, Stream
from openwafer.serve.api._tally import receipts, usage
from openwafer.serve.text._answer import Piece
from openwafer.serve.text._codec import Codec
from openwafer.serve.text._sample import TokenLogprob

_IGNORED = frozenset(("user",))
_REFUSED = frozenset(("suffix",))
_MOST_PROMPTS = 128


class CompletionRequest(msgspec.Struct, kw_only=True):
    model: Name
    prompt: str | list[Any]
    max_tokens: Annotated[int, Meta(ge=0, le=2**31)] = 16
    temperature: Temperature = 1.0
    top_p: Part = 1.0
    top_k: Count | None = None
    n: Count = 1
    best_of: Count | None = None
    echo: bool = False
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    stop: Stop = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    seed: Seed | None = None
    logit_bias: dict[str, float] | None = None
    presence_penalty: Penalty = 0.0
    frequency_penalty: Penalty = 0.0
    service_tier: Name | None = None
    prompt_cache_key: Name | None = None
    ignore_eos: bool = False
    min_tokens: int = 0
    return_token_ids: bool = False


def parse_completion(body: dict[str, Any], *, vendor: bool) -> CompletionRequest:
    found = convert(body, CompletionRequest, ignored=_IGNORED, refused=_REFUSED, vendor=vendor)
    if found.best_of not in (None, found.n):
        raise bad_request("best_of", "`best_of` other than `n` is not supported", "unsupported_value")
    if found.max_tokens == 0 and not found.echo:
        raise bad_request("max_tokens", "`max_tokens` is 0 only with `echo`")
    return found


def asks_of_completion(request: CompletionRequest, model: ServedModel) -> list[Ask]:
    """One a prompt."""
    codec = model.codec
    return [
        Ask(
            model=model.name, prompt=ids, most_tokens=max(request.max_tokens, 1),
            temperature=request.temperature, top_p=request.top_p, top_k=request.top_k, seed=request.seed,
            bias=bias_of(request.logit_bias, codec.vocabulary), presence=request.presence_penalty,
            frequency=request.frequency_penalty, stops=stops_of(request.stop), top=request.logprobs,
            wants_prompt=request.echo and request.logprobs is not None, tier=tier_of(request.service_tier),
            session=request.prompt_cache_key, ignores_stop=request.ignore_eos,
            least_tokens=request.min_tokens,
        )
        for ids in _prompts(request.prompt, codec)
    ]  # fmt: skip


def _prompts(prompt: str | list[Any], codec: Codec) -> list[list[int]]:
    match prompt:
        case str():
            return [codec.encode(prompt, specials=True)]
        case [int(), *_]:
            return [_tokens(prompt, codec)]
        case [str() | list(), *_] if len(prompt) <= _MOST_PROMPTS:
            return [_prompts(one, codec)[0] for one in prompt if _is_prompt(one)]
        case _:
            text = f"`prompt` is a text, tokens, or a list of 1 to {_MOST_PROMPTS} of either"
            raise bad_request("prompt", text)


def _is_prompt(one: Any) -> bool:
    if isinstance(one, str) or (isinstance(one, list) and all(type(t) is int for t in one)):  # pyright: ignore
        return True
    raise bad_request("prompt", "`prompt` is a text, tokens, or a list of either")


def _tokens(ids: list[Any], codec: Codec) -> list[int]:
    if any(type(token) is not int or not 0 <= token < codec.vocabulary for token in ids):
        raise bad_request("prompt", f"tokens are whole numbers from 0 to {codec.vocabulary - 1}")
    return ids


class CompletionWriter:
    """Choices of all prompts, `n` each."""

    def __init__(self, service: Service, request: CompletionRequest, streams: list[Stream]) -> None:
        self._service, self._request, self.streams = service, request, streams
        self._codec = service.model(request.model).codec
        self._head = {
            "id": f"cmpl-{streams[0].job.id[4:]}", "object": "text_completion", "created": int(time.time()),
            "model": request.model, "system_fingerprint": "openwafer",
        }  # fmt: skip

    async def whole(self) -> dict[str, Any]:
        choices = [await self._choice(at, stream) for at, stream in enumerate(self.streams)]
        return self._head | {
            "choices": choices, "usage": self._usage(), "service_tier": self.streams[0].job.tier,
            "openwafer": receipts(self._service, self.streams),
        }  # fmt: skip

    def _usage(self) -> dict[str, Any]:
        return usage(self.streams, self._request.n)

    async def _choice(self, at: int, stream: Stream) -> dict[str, Any]:
        pieces = [piece async for piece in pieces_of(stream)]
        if self._request.max_tokens == 0:
            pieces = []
        text, entries = self._echo(stream)
        text += "".join(piece.text for piece in pieces)
        entries += [entry for piece in pieces for entry in piece.logprobs]
        found: dict[str, Any] = {
            "index": at, "text": text, "logprobs": self._logprobs(stream, entries, 0),
            "finish_reason": "length" if self._request.max_tokens == 0 else stream.job.finish,
        }  # fmt: skip
        return found | self._ids(stream, [token for piece in pieces for token in piece.ids], whole=True)

    def _ids(self, stream: Stream, ids: list[int], *, whole: bool = False) -> dict[str, Any]:
        if not self._request.return_token_ids:
            return {}
        assert stream.answer is not None
        prompt = stream.answer.ids[: stream.answer.prompt_tokens]
        return {"token_ids": ids} | ({"prompt_token_ids": prompt} if whole else {})

    def _echo(self, stream: Stream) -> tuple[str, list[TokenLogprob | None]]:
        answer = stream.answer
        if not self._request.echo or answer is None:
            return "", []
        text = self._codec.decode(answer.ids[: answer.prompt_tokens])
        return text, list(answer.prompt_logprobs) if answer.wants_prompt else []

    def _logprobs(
        self, stream: Stream, entries: list[TokenLogprob | None], offset: int
    ) -> dict[str, Any] | None:
        """In the form of completions: lists by token, with where each begins in the text."""
        if self._request.logprobs is None:
            return None
        assert stream.answer is not None
        words, offsets, at = list[str](), list[int](), offset
        first = stream.answer.ids[0]
        for entry in entries:
            word = self._word(first if entry is None else entry.token)
            words.append(word)
            offsets.append(at)
            at += len(word)
        return {
            "tokens": words, "text_offset": offsets,
            "token_logprobs": [None if entry is None else entry.logprob for entry in entries],
            "top_logprobs": [None if entry is None else {self._word(t): v for t, v in entry.top}
                             for entry in entries],
        }  # fmt: skip

    def _word(self, token: int) -> str:
        return self._codec.token_bytes(token).decode("utf-8", "replace")

    # --- as a stream ---

    async def events(self, stream: Stream) -> AsyncIterator[bytes]:
        at, offset = self.streams.index(stream), 0
        text, entries = self._echo(stream)
        while pieces := await stream.next():
            data = b""
            for piece in pieces:
                shown = piece if self._request.max_tokens else Piece("", [], [], "length")
                text += shown.text
                entries += shown.logprobs
                choice: dict[str, Any] = {
                    "index": at, "text": text, "logprobs": self._logprobs(stream, entries, offset),
                    "finish_reason": shown.finish,
                }  # fmt: skip
                data += event(self._part([choice | self._ids(stream, shown.ids)]))
                offset += len(text)
                text, entries = "", []
            yield data

    def _part(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        options = self._request.stream_options
        found: dict[str, Any] = self._head | {"choices": choices}
        if options is not None and options.include_usage:
            found["usage"] = self._usage() if options.continuous_usage_stats else None
        return found

    def last(self) -> bytes:
        options = self._request.stream_options
        if options is None or not options.include_usage:
            return DONE
        found = {"usage": self._usage(), "openwafer": receipts(self._service, self.streams)}
        return event(self._part([]) | found) + DONE
