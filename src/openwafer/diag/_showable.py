"""Text of others, such as names and messages, made fit to be shown and to be sent as JSON."""

from __future__ import annotations

import json
import re
from typing import Any

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""A byte of a file name that is no UTF-8 arrives as one."""


def showable(text: str, keep: str = "") -> str:
    r"""The text with what is not printable as an escape such as `\x1b`; characters in `keep` stay.

    Not printable are control characters, which could change the terminal, those that change the direction of
    text or have no width, line separators, and what no encoding can write."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else _escape(c) for c in text)


def encodable(text: str, encoding: str | None) -> str:
    """The text with what an encoding has no bytes for as escapes; an ASCII terminal shows µ as `\\xb5`."""
    encoding = encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def json_text(document: Any, indent: int | None = None) -> str:
    """JSON in ASCII that every reader of JSON accepts, whatever names are in it."""
    text = json.dumps(document, ensure_ascii=False)
    if _LONE_SURROGATE.search(text):
        document = json.loads(_LONE_SURROGATE.sub(lambda found: "\\" + _escape(found[0]), text))
    return json.dumps(document, indent=indent).replace("\x7f", "\\u007f")


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
