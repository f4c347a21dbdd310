"""Tables that fit the terminal without cutting a number or a name.

Of a table that is too wide, columns of words are wrapped between words. If that does not do, the columns that
do not fit come below, beside the first ones again. A column that is wider than the terminal stays whole.
Without a terminal nothing is too wide.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeAlias

from openwafer.cli import _output
from openwafer.diag import showable

if TYPE_CHECKING:
    from rich.text import Text

Cell: TypeAlias = str | tuple[str, str]
"""A text, or a text and its style."""
GAPS = (2, 1)
"""Blanks between two columns: where there is room, and where there is little."""


@dataclass(frozen=True, slots=True)
class _Column:
    """`cells` begins with the header."""

    cells: tuple[Cell, ...]
    is_right: bool
    is_words: bool

    @property
    def natural(self) -> int:
        return max(_width(_text(cell)) for cell in self.cells)

    @property
    def least(self) -> int:
        """The width below which something would be cut."""
        if not self.is_words:
            return self.natural
        return max((_width(word) for cell in self.cells for word in _text(cell).split(" ")), default=0)


def print_table(
    title: str,
    headers: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    notes: Sequence[str] = (),
    *,
    left: int = 1,
    keys: int = 1,
    words: Collection[str] = (),
) -> None:
    """A table without frames. The first `left` columns and those of `words` begin at the left, the others end
    at the right. Columns of `words` may be wrapped; the first `keys` columns stand in every part of a table
    that is too wide. `notes` are sentences below it."""
    room = _output.width()
    _output.show(table_lines(title, headers, rows, notes, left=left, keys=keys, words=words, room=room))


def table_lines(
    title: str,
    headers: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    notes: Sequence[str] = (),
    *,
    left: int = 1,
    keys: int = 1,
    words: Collection[str] = (),
    room: int | None = None,
) -> list[Text]:
    """The lines of a table; `room` is the number of characters of a line, None for any number."""
    from rich.text import Text

    columns = [
        _Column(
            tuple(_shown(cell) for cell in (header, *(row[at] for row in rows))),
            at >= left and header not in words,
            header in words,
        )
        for at, header in enumerate(headers)
    ]
    gap = next((g for g in GAPS if room is None or _total(columns, g) <= room), GAPS[-1])
    lines = [Text(line, "bold") for line in wrapped(showable(title), room)] if title else []
    for number, part in enumerate(_parts(columns, keys, gap, room)):
        lines += [*([Text()] if number else []), *_part_lines(part, gap, room)]
    return lines + [Text(line) for note in notes for line in wrapped(showable(note), room)]


def wrapped(text: str, room: int | None) -> list[str]:
    """The text in lines of at most `room` characters, broken at blanks; a longer word has its own line."""
    if room is None or _width(text) <= room:
        return [text]
    lines: list[str] = []
    for word in text.split(" "):
        if lines and _width(lines[-1]) + 1 + _width(word) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def say_wrapped(text: str) -> None:
    """A paragraph on standard output."""
    for line in wrapped(text, _output.width()):
        _output.say(line)


def _parts(columns: list[_Column], keys: int, gap: int, room: int | None) -> list[list[_Column]]:
    """Columns that stand side by side; all of them if there is room."""
    first, others = columns[:keys], columns[keys:]
    parts: list[list[_Column]] = [[]]
    for column in others:
        if room is not None and parts[-1] and _total([*first, *parts[-1], column], gap) > room:
            parts.append([])
        parts[-1].append(column)
    return [[*first, *part] for part in parts]


def _total(columns: Sequence[_Column], gap: int) -> int:
    return sum(column.least for column in columns) + gap * (len(columns) - 1)


def _widths(columns: list[_Column], gap: int, room: int | None) -> list[int]:
    """The widest columns of words give way until the line fits, as far as words can."""
    widths = [column.natural for column in columns]
    if room is None:
        return widths
    over = sum(widths) + gap * (len(widths) - 1) - room
    while over > 0:
        loose = [k for k, column in enumerate(columns) if widths[k] > column.least]
        if not loose:
            break
        widths[max(loose, key=lambda k: widths[k])] -= 1
        over -= 1
    return widths


def _part_lines(columns: list[_Column], gap: int, room: int | None) -> list[Text]:
    widths = _widths(columns, gap, room)
    count = len(columns[0].cells)
    return [line for row in range(count) for line in _row_lines(columns, widths, gap, row)]


def _row_lines(columns: list[_Column], widths: list[int], gap: int, row: int) -> Iterator[Text]:
    """A row has as many lines as its highest cell."""
    from rich.text import Text

    cells = [
        wrapped(_text(column.cells[row]), width if column.is_words else None)
        for column, width in zip(columns, widths, strict=True)
    ]
    for texts in zip_longest(*cells, fillvalue=""):
        line = Text()
        for k, (column, width, text) in enumerate(zip(columns, widths, texts, strict=True)):
            blank = " " * (width - _width(text))
            line.append(" " * (gap if k else 0) + (blank if column.is_right else ""))
            line.append(text, _style(column.cells[row]) if row else "bold")
            line.append("" if column.is_right else blank)
        line.rstrip()
        yield line


def _width(text: str) -> int:
    """Characters of the terminal that a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _shown(cell: Cell) -> Cell:
    return showable(cell) if isinstance(cell, str) else (showable(cell[0]), cell[1])


def _text(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell[0]


def _style(cell: Cell) -> str:
    return "" if isinstance(cell, str) else cell[1]
