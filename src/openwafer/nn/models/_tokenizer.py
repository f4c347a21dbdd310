"""`tokenizer.json` of a model, read by the library `tokenizers`."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from openwafer.diag import error
from openwafer.files import MIB, inside, read_text

MOST_BYTES = 64 * MIB
T = TypeVar("T")


def load_tokenizer(root: Path, vocabulary: int) -> Any:
    """None where the directory has none. Diagnostics: tokenizer-unreadable, tokenizer-mismatch."""
    from tokenizers import Tokenizer

    path = inside(root, "tokenizer.json", "tokenizer-unreadable")
    if not path.is_symlink() and not path.exists():
        return None
    text = read_text(path, "tokenizer", "tokenizer-unreadable", MOST_BYTES)
    try:
        tokenizer: Any = guarded(lambda: Tokenizer.from_str(text))
        guarded(tokenizer.no_truncation)
        guarded(tokenizer.no_padding)
        highest = max(guarded(tokenizer.get_vocab).values(), default=-1)
    except Refused as failure:
        raise error("tokenizer-unreadable", f"{path}: {failure}") from None
    if highest >= vocabulary:
        text = f"{path} has tokens up to {highest}, the model only {vocabulary}"
        raise error("tokenizer-mismatch", text, help="the tokenizer belongs to another model")
    return tokenizer


class Refused(Exception):
    """The library `tokenizers` could not do what it was asked for."""


def guarded(call: Callable[[], T]) -> T:
    """What `call` gives. The library raises nothing narrower than `Exception`, and its panics are not even
    that. Raises `Refused`."""
    try:
        return call()
    except Exception as failure:
        raise Refused(str(failure)) from failure
    except BaseException as failure:
        if type(failure).__name__ != "PanicException":
            raise
        raise Refused(str(failure)) from failure
