"""Tokens and characters: of a model's tokenizer, or bytes where there is none."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from openwafer.diag import error
from openwafer.nn.models import Refused, guarded
from openwafer.serve.text._template import Template, built_in_template, read_template

UNFINISHED = "\ufffd"
"""What a decoder gives for bytes that are no whole character yet."""


class Codec(Protocol):
    """`stop`: tokens that end an answer; `template` is None where the model has none for chats."""

    vocabulary: int
    stop: frozenset[int]
    template: Template | None

    def encode(self, text: str, *, specials: bool = False) -> list[int]: ...

    def decode(self, ids: Sequence[int]) -> str: ...

    def token_bytes(self, token: int) -> bytes: ...

    def grammar_tokenizer(self) -> Any:
        """For `llguidance`."""
        ...


class TokenizerCodec:
    """The tokenizer of a model's directory."""

    def __init__(
        self, tokenizer: Any, vocabulary: int, stop: Sequence[int], template: Template | None
    ) -> None:
        self._tokenizer, self.vocabulary = tokenizer, vocabulary
        self.stop, self.template = frozenset(stop), template
        self._grammar: Any = None

    def encode(self, text: str, *, specials: bool = False) -> list[int]:
        """`specials`: with the tokens that the tokenizer puts around a text. Diagnostics:
        not-in-vocabulary."""
        try:
            return guarded(lambda: self._tokenizer.encode(text, add_special_tokens=specials).ids)
        except Refused:
            known = self._tokenizer.get_vocab()
            unknown = sorted({c for c in text if c not in known})[:5]
            words = ", ".join(map(repr, unknown)) or "this text"
            raise error("not-in-vocabulary", f"the model's tokenizer does not know {words}") from None

    def decode(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(list(ids), skip_special_tokens=True)

    def token_bytes(self, token: int) -> bytes:
        return self._tokenizer.decode([token], skip_special_tokens=False).encode()

    def grammar_tokenizer(self) -> Any:
        """Made once: it takes a second for a large vocabulary."""
        if self._grammar is None:
            from llguidance import LLTokenizer

            eos = min(self.stop) if self.stop else None
            try:
                found = LLTokenizer(self._tokenizer.to_str(), n_vocab=self.vocabulary, eos_token=eos)
            except Exception:  # not one of the kinds that the library reads
                found = LLTokenizer(_wrapped(self), n_vocab=self.vocabulary)
            self._grammar = found
        return self._grammar


class ByteCodec:
    """A token a byte, and a few that mark the parts of a chat."""

    SPECIAL = ("<|begin|>", "<|end|>", "<|role|>")

    def __init__(self) -> None:
        self.vocabulary = 256 + len(self.SPECIAL)
        self.stop: frozenset[int] = frozenset((257,))
        self.template: Template | None = built_in_template()
        self._grammar: Any = None

    def encode(self, text: str, *, specials: bool = False) -> list[int]:
        ids, rest = list[int](), text
        while rest:
            at, mark = min(((rest.find(s), s) for s in self.SPECIAL if s in rest), default=(len(rest), ""))
            ids += rest[:at].encode("utf-8", "surrogatepass")
            if mark:
                ids.append(256 + self.SPECIAL.index(mark))
            rest = rest[at + len(mark) :]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        return bytes(i for i in ids if i < 256).decode("utf-8", "replace")

    def token_bytes(self, token: int) -> bytes:
        return bytes((token,)) if token < 256 else self.SPECIAL[token - 256].encode()

    def grammar_tokenizer(self) -> Any:
        if self._grammar is None:
            from llguidance import LLTokenizer

            self._grammar = LLTokenizer(_wrapped(self), n_vocab=self.vocabulary)
        return self._grammar


class _Tokens:
    """A vocabulary as `llguidance` takes it."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self.eos_token_id = min(codec.stop) if codec.stop else codec.vocabulary - 1
        self.bos_token_id = None
        self.tokens = [codec.token_bytes(i) for i in range(codec.vocabulary)]
        self.special_token_ids = sorted(codec.stop)

    def __call__(self, text: str | bytes) -> list[int]:
        words = text if isinstance(text, str) else text.decode("utf-8", "replace")
        try:
            return self._codec.encode(words)
        except Exception:  # the library tries what a vocabulary may not have
            return []


def _wrapped(codec: Codec) -> Any:
    from llguidance import TokenizerWrapper

    return TokenizerWrapper(_Tokens(codec))


def codec_of(directory: Path, checkpoint: Any, template: str | None = None) -> TokenizerCodec:
    """The codec of a model's directory; `template` in the place of its own. Diagnostics: no-tokenizer, and
    those of `read_template`."""
    if checkpoint.tokenizer is None:
        raise error("no-tokenizer", f"{directory} has no tokenizer.json")
    return TokenizerCodec(
        checkpoint.tokenizer, checkpoint.config.vocab_size, checkpoint.stop,
        read_template(directory, template, checkpoint.tokenizer),
    )  # fmt: skip


class Decoder:
    """Characters of tokens that come one by one. What is no whole character yet waits."""

    __slots__ = ("_begin", "_codec", "_ids", "_read")

    def __init__(self, codec: Codec) -> None:
        self._codec, self._ids = codec, list[int]()
        self._begin = self._read = 0
        """Tokens from `_begin` to `_read` were told already; a decoder may need them to join words."""

    def add(self, token: int) -> str:
        self._ids.append(token)
        told = self._codec.decode(self._ids[self._begin : self._read])
        grown = self._codec.decode(self._ids[self._begin :])
        if grown.endswith(UNFINISHED) and len(self._ids) - self._read < 8:
            return ""
        self._begin, self._read = self._read, len(self._ids)
        return grown[len(told) :]

    def rest(self) -> str:
        """What waits, at the end of the text."""
        told = self._codec.decode(self._ids[self._begin : self._read])
        grown = self._codec.decode(self._ids[self._begin :])
        self._begin = self._read = len(self._ids)
        return grown[len(told) :]
