"""The one place where commands write: results on standard output, what is beside them on standard error.

Names in a text never change the terminal. A text that cannot be written is a `StandardOutput`, which the
boundary around every command tells.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from openwafer.diag import encodable, json_text, showable

if TYPE_CHECKING:
    from rich.text import Text


class StandardOutput(OSError):
    """Standard output takes nothing more."""


def say(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Writes a text; what could change the terminal in it is escaped, newlines and tabs stay."""
    shown = showable(text, keep="\n\t") + ("\n" if nl else "")
    if err:
        _write_error(shown)
    else:
        _write(shown)


def say_json(document: object, indent: int | None = 2) -> None:
    _write(json_text(document, indent) + "\n")


def show(lines: list[Text]) -> None:
    """Lines on standard output, none of them cut; with their styles if it is a terminal."""
    if not is_terminal():
        return _write("".join(f"{line.plain}\n" for line in lines))
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False)
    with console.capture() as shown:
        for line in lines:
            console.print(line)
    _write(shown.get())


def is_terminal() -> bool:
    """Whether standard output is one."""
    out: TextIO | None = sys.stdout
    return out is not None and out.isatty()


def width() -> int | None:
    """Columns of the terminal; None where nothing limits a line."""
    return shutil.get_terminal_size().columns if is_terminal() else None


def flush() -> None:
    """Writes what is still on its way. StandardOutput, BrokenPipeError."""
    _write("")


def _write(text: str) -> None:
    """Writes to standard output. BrokenPipeError is left as it is: the reader has gone, which is no fault."""
    out: TextIO | None = sys.stdout
    if out is None or out.closed:
        if text:
            raise StandardOutput(errno.EBADF, "it is closed")
        return
    try:
        out.write(encodable(text, out.encoding))
        out.flush()
    except BrokenPipeError:
        raise
    except OSError as reason:
        raise StandardOutput(reason.errno, reason.strerror) from reason


def _write_error(text: str) -> None:
    """Writes to standard error; where that takes nothing, there is nobody to tell."""
    err: TextIO | None = sys.stderr
    if err is None:
        return
    try:
        err.write(encodable(text, err.encoding))
        err.flush()
    except (OSError, ValueError):
        silence(err)


def silence(stream: TextIO | None) -> None:
    """Nothing more can be said there, not even what is still on its way when Python ends."""
    with suppress(AttributeError, OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # type: ignore[union-attr]
