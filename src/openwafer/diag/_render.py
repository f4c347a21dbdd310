"""How a diagnostic looks: as text with the source line and carets, and as JSON."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO, TypeAlias

from openwafer.diag._diagnostic import Diagnostic, DiagnosticError, Severity
from openwafer.diag._showable import encodable, showable
from openwafer.diag._source import Source, Span

if TYPE_CHECKING:
    from rich.console import Console

_TAB = "    "
_CUT = "…"
_MARKED_LINES = 4
Piece: TypeAlias = tuple[str, str]  # a text and its style
_COLORS: dict[Severity, str] = {"error": "red", "warning": "yellow"}


@dataclass(frozen=True, slots=True)
class _Mark:
    """One span to underline, with `^` if it is the primary one."""

    span: Span
    text: str
    primary: bool

    @property
    def first(self) -> int:
        return self.span.source.position(self.span.start)[0]

    @property
    def last(self) -> int:
        end = max(self.span.start, self.span.end - 1)
        return self.span.source.position(end)[0]


def render(diagnostic: Diagnostic, width: int = 110) -> str:
    """The diagnostic as plain text, without a newline at the end.

    Source lines longer than `width` are cut around what they mark; messages are never cut.
    """
    return "\n".join("".join(text for text, _ in line).rstrip() for line in _lines(diagnostic, width))


def print_diagnostics(failure: DiagnosticError, file: TextIO | None = None) -> None:
    """Prints all diagnostics, to standard error by default; in color on a terminal.

    OSError where nothing can be written; nothing is printed where there is no standard error."""
    from rich.console import Console
    from rich.text import Text

    file = file or sys.stderr
    if file is None:  # pyright: ignore[reportUnnecessaryComparison] # a closed one
        return
    console: Console = Console(file=file, highlight=False, soft_wrap=True)
    width = max(40, min(console.width, 140)) if console.is_terminal else 110
    with console.capture() as shown:
        for diagnostic in failure.diagnostics:
            for line in _lines(diagnostic, width):
                text = Text.assemble(*line)
                text.rstrip()
                console.print(text)
            console.print()
    file.write(encodable(shown.get(), file.encoding))
    file.flush()


def to_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """The diagnostic as JSON values; lines and columns count from 1, `end` is exclusive."""
    data = {} if diagnostic.data is None else {"data": dict(diagnostic.data)}
    return {
        "id": diagnostic.id,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "span": _span_to_json(diagnostic.span),
        "labels": [{"span": _span_to_json(label.span), "text": label.text} for label in diagnostic.labels],
        "notes": list(diagnostic.notes),
        "help": diagnostic.help,
        **data,
    }


def _span_to_json(span: Span | None) -> dict[str, Any] | None:
    if span is None:
        return None
    start, end = span.source.position(span.start), span.source.position(span.end)
    return {
        "path": span.source.path,
        "start": {"line": start[0], "column": start[1]},
        "end": {"line": end[0], "column": end[1]},
    }


def _lines(diagnostic: Diagnostic, width: int) -> Iterator[list[Piece]]:
    color = f"bold {_COLORS[diagnostic.severity]}"
    title = f"{diagnostic.severity}[{diagnostic.id}]"
    yield [(title, color), (f": {showable(diagnostic.message)}", "bold")]
    marks = _marks(diagnostic)
    gutter = len(str(max((mark.last for mark in marks), default=0))) if marks else 0
    for number, source in enumerate(_sources(marks)):
        here = [mark for mark in marks if mark.span.source is source]
        arrow = "-->" if number == 0 else ":::"
        yield [(" " * gutter + arrow, "blue"), (f" {showable(str(here[0].span))}", "")]
        yield from _snippet(here, gutter, width, color)
    footer = [("note", note) for note in diagnostic.notes]
    footer += [("help", diagnostic.help)] if diagnostic.help else []
    if footer and marks:
        yield [(" " * gutter + " |", "blue")]
    for word, text in footer:
        yield from _footer(word, text, gutter)


def _footer(word: str, text: str, gutter: int) -> Iterator[list[Piece]]:
    for number, line in enumerate(text.split("\n")):
        sign, head = ("=", f"{word}: ") if number == 0 else (" ", " " * (len(word) + 2))
        yield [(f"{' ' * gutter} {sign} ", "blue"), (head, "bold"), (showable(line), "")]


def _marks(diagnostic: Diagnostic) -> list[_Mark]:
    """The primary mark first, then the labels in the order in which they were given."""
    marks = [_Mark(diagnostic.span, "", True)] if diagnostic.span else []
    return marks + [_Mark(label.span, label.text, False) for label in diagnostic.labels]


def _sources(marks: list[_Mark]) -> list[Source]:
    """The sources of the marks, each once, that of the primary mark first."""
    sources: list[Source] = []
    for mark in marks:
        if not any(mark.span.source is source for source in sources):
            sources.append(mark.span.source)
    return sources


def _snippet(marks: list[_Mark], gutter: int, width: int, color: str) -> Iterator[list[Piece]]:
    yield [(" " * gutter + " |", "blue")]
    previous = 0
    for number in _numbers(marks):
        if previous and number > previous + 1:
            yield [("...", "blue")]
        yield from _marked_line(number, marks, gutter, width, color)
        previous = number


def _numbers(marks: list[_Mark]) -> list[int]:
    """The lines to show: of a long mark only the first and the last ones."""
    numbers: set[int] = set()
    for mark in marks:
        lines = range(mark.first, mark.last + 1)
        numbers.update(lines if len(lines) <= _MARKED_LINES else (lines[0], lines[1], lines[-1]))
    return sorted(numbers)


def _marked_line(
    number: int, marks: list[_Mark], gutter: int, width: int, color: str
) -> Iterator[list[Piece]]:
    here = [mark for mark in marks if mark.first <= number <= mark.last]
    source = here[0].span.source if here else marks[0].span.source
    raw = source.line(number).removesuffix("\r")
    ranges = [_columns(mark, number, raw) for mark in here]
    room = max(20, width - gutter - 3)
    shown, cells = _window(raw, min(start for start, _ in ranges), max(end for _, end in ranges), room)
    yield [(f"{number:>{gutter}} | ", "blue"), (shown, "")]
    for mark, (start, end) in zip(here, ranges, strict=True):
        left, right = cells[start], max(cells[min(end, len(raw))], cells[start] + 1)
        sign = "^" if mark.primary else "-"
        text = f" {showable(mark.text)}" if mark.text and number == mark.last else ""
        style = color if mark.primary else "blue"
        yield [(" " * gutter + " | ", "blue"), (" " * left + sign * (right - left) + text, style)]


def _columns(mark: _Mark, number: int, raw: str) -> tuple[int, int]:
    """The part of line `number` that is marked, as offsets in the line; white space around it left out."""
    line_start = mark.span.source.line_starts[number - 1]
    start = min(max(mark.span.start - line_start, 0), len(raw))
    end = min(max(mark.span.end - line_start, start), len(raw))
    inside = raw[start:end]
    if number != mark.first and inside.strip():
        start += len(inside) - len(inside.lstrip())
    return start, max(start, start + len(raw[start:end].rstrip()))


def _window(raw: str, start: int, end: int, room: int) -> tuple[str, list[int]]:
    """The line as it is printed, and for each character offset the cell where it stands."""
    texts = [_cell_text(character) for character in raw]
    widths = [_cell_width(text) for text in texts]
    first, last = _cut(widths, start, end, room)
    head = _CUT if first > 0 else ""
    cells: list[int] = []
    at = len(head)
    for index in range(len(raw)):
        cells.append(at)
        at += widths[index] if first <= index < last else 0
    cells.append(at)
    return head + "".join(texts[first:last]) + (_CUT if last < len(raw) else ""), cells


def _cut(widths: list[int], start: int, end: int, room: int) -> tuple[int, int]:
    """The characters to show: all if they fit, else those around the start of the mark."""
    if sum(widths) <= room:
        return 0, len(widths)
    first, used = min(start, len(widths)), 0
    while first > 0 and used + widths[first - 1] <= (room - 2) // 3:
        first -= 1
        used += widths[first]
    last, used = first, 0
    while last < len(widths) and used + widths[last] <= room - 2:
        used += widths[last]
        last += 1
    return first, last


def _cell_text(character: str) -> str:
    return _TAB if character == "\t" else showable(character)


def _cell_width(text: str) -> int:
    if unicodedata.combining(text[0]):
        return 0
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
