"""How deep values are nested: what walks a document calls itself for each level."""

from __future__ import annotations

from typing import cast

from openwafer.diag import DiagnosticError, Source, Span, error

MOST_DEEP = 32


def is_deep(document: object) -> bool:
    """Whether tables and arrays are nested more than `MOST_DEEP` levels."""
    level = [document]
    for _ in range(MOST_DEEP + 1):
        level = [inner for value in level for inner in _inner(value)]
    return bool(level)


def _inner(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(cast(dict[str, object], value).values())
    return cast(list[object], value) if isinstance(value, list) else []


def too_deep(source: Source, id: str) -> DiagnosticError:
    """The diagnostic for a document that `is_deep`, or that a parser could not go through."""
    return error(id, f"values nested more than {MOST_DEEP} deep", begin(source))


def begin(source: Source) -> Span:
    """The first character of a text: the place of what concerns all of it."""
    return Span(source, 0, min(1, len(source.text)))
