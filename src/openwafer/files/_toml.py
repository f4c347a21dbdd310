"""TOML that somebody else wrote."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from openwafer.diag import Source, Span, error
from openwafer.files._depth import begin, is_deep, too_deep

MOST_PARTS = 64
"""Of a dotted key: `tomllib` takes their square in time and memory."""
_PART = r"(?:(?<![\w-])[\w-]++|\"[^\"\n]*+\"|'[^'\n]*+')"
_LONG_KEY = re.compile(rf"(?:{_PART}[ \t]*+\.[ \t]*+){{{MOST_PARTS}}}")
_ERROR = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)


def parse_toml(source: Source, id: str) -> dict[str, Any]:
    """The document of a TOML text. Diagnostics: `id`, with the place where the text is wrong."""
    if long := _LONG_KEY.search(source.text):
        text = f"a key with more than {MOST_PARTS} parts"
        raise error(id, text, Span(source, long.start(), long.start() + 1))
    try:
        document = tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as reason:
        words = _ERROR.fullmatch(str(reason))
        message = words[1] if words else str(reason)
        span = _place(source, words[2] if words else None, words[3] if words else None)
        raise error(id, f"not valid TOML: {message[:1].lower()}{message[1:]}", span) from None
    except RecursionError:
        raise too_deep(source, id) from None
    except ValueError:
        raise error(id, "a number too long", begin(source)) from None
    if is_deep(document):
        raise too_deep(source, id)
    return document


def _place(source: Source, line: str | None, column: str | None) -> Span:
    end = len(source.text)
    at = source.line_starts[int(line) - 1] + int(column) - 1 if line and column else end
    return Span(source, min(at, end), min(at + 1, end))
