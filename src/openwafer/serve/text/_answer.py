"""An answer as it is written: tokens are chosen, become text, and end it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from openwafer.serve.core._job import Finish
from openwafer.serve.text._codec import Codec, Decoder
from openwafer.serve.text._grammar import Grammar
from openwafer.serve.text._sample import Sampling, TokenLogprob, choose, logprob


@dataclass(slots=True)
class Piece:
    """What is new: text that cannot change any more, and the tokens since the last piece."""

    text: str
    ids: list[int]
    logprobs: list[TokenLogprob]
    finish: Finish | None = None


class Stops:
    """Strings that end an answer. Text that may be the begin of one waits."""

    __slots__ = ("_held", "_stops")

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops, self._held = [s for s in stops if s], ""

    def add(self, text: str) -> tuple[str, bool]:
        """What can be told, and whether a stop was found, which is not told."""
        if not self._stops:
            return text, False
        seen = self._held + text
        found = min((at for s in self._stops if (at := seen.find(s)) >= 0), default=-1)
        if found >= 0:
            self._held = ""
            return seen[:found], True
        keep = max((n for s in self._stops for n in range(1, min(len(s), len(seen) + 1))
                    if seen.endswith(s[:n])), default=0)  # fmt: skip
        self._held = seen[len(seen) - keep :]
        return seen[: len(seen) - keep], False

    def rest(self) -> str:
        held, self._held = self._held, ""
        return held


class Answer:
    """Writes one answer to `prompt`; `tell` gets its pieces. `top`: logarithms of so many likeliest
    tokens; None: of none at all."""

    def __init__(
        self, codec: Codec, prompt: Sequence[int], most_tokens: int, sampling: Sampling,
        tell: Callable[[Piece], None], *, stops: Sequence[str] = (), grammar: Grammar | None = None,
        top: int | None = None, wants_prompt: bool = False, ignores_stop: bool = False, least_tokens: int = 0,
    ) -> None:  # fmt: skip
        self.ids = list(prompt)
        self.prompt_tokens, self.wants_prompt = len(self.ids), wants_prompt
        self.prompt_logprobs: list[TokenLogprob | None] = [None]
        """Of the prompt's tokens, where they are wanted: none of the first."""
        self._codec, self._most, self._sampling, self._tell = codec, most_tokens, sampling, tell
        self._stops, self._grammar, self._top = Stops(stops), grammar, top
        self._ends = frozenset[int]() if ignores_stop else codec.stop
        self._least = least_tokens
        self._decoder = Decoder(codec)
        self._counts: dict[int, int] = {}

    @property
    def written(self) -> int:
        return len(self.ids) - self.prompt_tokens

    def read(self, at: int, logits: Any) -> None:
        if len(self.prompt_logprobs) == at + 1:
            self.prompt_logprobs.append(logprob(logits, self.ids[at + 1], self._top or 0))

    def write(self, logits: Any) -> Finish | None:
        allowed = None if self._grammar is None else self._grammar.allowed()
        if self.written < self._least:
            logits = logits.copy()
            logits[list(self._ends)] = -1e30
        token = choose(logits, self._sampling, len(self.ids), self._counts, allowed)
        found = [] if self._top is None else [logprob(logits, token, self._top)]
        return self._add(token, found)

    def _add(self, token: int, found: list[TokenLogprob]) -> Finish | None:
        self.ids.append(token)
        self._counts[token] = self._counts.get(token, 0) + 1
        if token in self._ends:
            return self._end("", token, found, "stop")
        is_whole = self._grammar is not None and self._grammar.take(token)
        text, is_stop = self._stops.add(self._decoder.add(token))
        if is_stop:
            self._tell(Piece(text, [token], found, "stop"))
            return "stop"
        if is_whole or self.written >= self._most:
            return self._end(text, token, found, "stop" if is_whole else "length")
        self._tell(Piece(text, [token], found))
        return None

    def _end(self, text: str, token: int, found: list[TokenLogprob], reason: Finish) -> Finish:
        """With what waited."""
        more, is_stop = self._stops.add(self._decoder.rest())
        rest = "" if is_stop else self._stops.rest()
        reason = "stop" if is_stop else reason
        self._tell(Piece(text + more + rest, [token], found, reason))
        return reason

    def relay(self, text: str, ids: Sequence[int], finish: Finish | None) -> None:
        """What another service wrote: its tokens, or those that its text has here."""
        tokens = list(ids) or (self._codec.encode(text) if text else [])
        self.ids += tokens
        self._tell(Piece(text, tokens, [], finish))
