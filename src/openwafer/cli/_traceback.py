"""Tracebacks of a user's script: which frames are ours, and where the script called us."""

from __future__ import annotations

import dataclasses
import itertools
import linecache
import os
import sys
from collections.abc import Iterator
from types import TracebackType

import openwafer
from openwafer.diag import DiagnosticError, Label, Source, Span

_OURS = os.path.dirname(os.path.abspath(openwafer.__file__)) + os.sep
_RUNNERS = ("<frozen runpy>",)


def show_traceback(reason: BaseException) -> None:
    """Prints what Python would print had the script run without us."""
    chain: list[BaseException] = []
    link: BaseException | None = reason
    while link is not None and not any(link is seen for seen in chain):
        link.__traceback__ = _without_ours(link.__traceback__)
        chain.append(link)
        link = link.__cause__ or link.__context__
    sys.excepthook(type(reason), reason, reason.__traceback__)


def is_ours_at_fault(reason: BaseException) -> bool:
    """Whether the exception came from inside OpenWafer, called by the script; an operator is the script's."""
    from openwafer.host.numpy1 import binary, in_place

    operators = binary.__code__, in_place.__code__
    traceback = _frames(reason.__traceback__)
    frames = [_is_ours(frame) for frame in traceback if frame.tb_frame.f_code not in operators]
    called = list(itertools.dropwhile(lambda ours: ours, frames))
    return any(called)


def located(failure: DiagnosticError) -> DiagnosticError:
    """The diagnostics with the line of the script that led to them."""
    span = _call_span(failure.__traceback__)
    if span is None:
        return failure
    placed = (
        dataclasses.replace(d, span=span)
        if d.span is None
        else dataclasses.replace(d, labels=(*d.labels, Label(span, "called here")))
        for d in failure.diagnostics
    )
    return DiagnosticError(placed)


def _frames(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _is_ours(traceback: TracebackType) -> bool:
    name = traceback.tb_frame.f_code.co_filename
    return name.startswith(_OURS) or name in _RUNNERS


def _without_ours(traceback: TracebackType | None) -> TracebackType | None:
    kept: TracebackType | None = None
    for frame in reversed([f for f in _frames(traceback) if not _is_ours(f)]):
        kept = TracebackType(kept, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return kept


def _call_span(traceback: TracebackType | None) -> Span | None:
    """The expression in the last frame that is the user's."""
    users = [f for f in _frames(traceback) if not _is_ours(f)]
    return _span(users[-1]) if users else None


def _span(frame: TracebackType) -> Span | None:
    code = frame.tb_frame.f_code
    text = "".join(linecache.getlines(code.co_filename))
    source = Source(code.co_filename, text)
    if not 1 <= frame.tb_lineno < len(source.line_starts) + 1:
        return None
    position = next(itertools.islice(code.co_positions(), frame.tb_lasti // 2, None), None)
    line, end_line, column, end_column = position or (None, None, None, None)
    if line is None or end_line is None or column is None or end_column is None:
        line = end_line = frame.tb_lineno
        column, end_column = 0, len(source.line(line).encode())
    start = _offset(source, line, column)
    return Span(source, start, max(start, _offset(source, end_line, end_column)))


def _offset(source: Source, line: int, column: int) -> int:
    """Character offset of a UTF-8 byte column."""
    head = source.line(line).encode()[:column].decode(errors="ignore")
    return source.line_starts[line - 1] + len(head)
