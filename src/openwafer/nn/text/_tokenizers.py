"""Tokenizers made from a text, with the library `tokenizers`."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from typing import Any

from openwafer.diag import error

WHOLE_BYTES = 256
"""A byte-level vocabulary has at least these."""


def characters(text: str) -> Any:
    """One token a character of the text."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({c: i for i, c in enumerate(sorted(set(text)))}, ""))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


def byte_pairs(text: str, size: int) -> Any:
    """Byte-level BPE with a vocabulary of `size` tokens. Diagnostics: vocabulary-small."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    if size < WHOLE_BYTES:
        raise error(
            "vocabulary-small", f"byte pairs need a vocabulary of at least {WHOLE_BYTES}, found {size}"
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([text], trainer)
    return tokenizer


def encode(tokenizer: Any, text: str) -> list[int]:
    """Tokens of a text, without those that mark its ends. Diagnostics: not-in-vocabulary."""
    from openwafer.nn.models import Refused, guarded

    try:
        return guarded(lambda: tokenizer.encode(text, add_special_tokens=False).ids)
    except Refused as failure:
        known = tokenizer.get_vocab()
        unknown = sorted({c for c in text if c not in known})
        raise error(
            "not-in-vocabulary",
            f"the tokenizer does not know {', '.join(map(repr, unknown[:5])) or 'this text'}",
        ) from failure
