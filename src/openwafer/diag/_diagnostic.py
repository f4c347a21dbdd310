"""Diagnostics: what the user is told when something is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from openwafer.diag._brief import brief
from openwafer.diag._showable import showable
from openwafer.diag._source import Span

Severity = Literal["error", "warning"]
_KEPT = "\n\t"
"""Characters of messages and notes that a traceback shows as they are."""


@dataclass(frozen=True, slots=True)
class Label:
    """A second place that matters, and what is there."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One message with a stable kebab-case id; `span` is None for what has no place in a file.

    `data` are JSON values for tools: what the message and the notes say, taken apart."""

    id: str
    message: str
    span: Span | None = None
    severity: Severity = "error"
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    help: str | None = None
    data: Mapping[str, Any] | None = field(default=None, compare=False)


class DiagnosticError(Exception):
    """Raised with one or more diagnostics; the command line renders them and exits with 1.

    A Python traceback shows places, notes and help too: they are the exception's `__notes__` (PEP 678)."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics: tuple[Diagnostic, ...] = tuple(diagnostics)
        super().__init__("; ".join(f"{d.id}: {showable(d.message, _KEPT)}" for d in self.diagnostics))
        for diagnostic in self.diagnostics:
            for line in _details(diagnostic):
                self.add_note(showable(line, _KEPT))

    def __reduce__(self) -> tuple[type[DiagnosticError], tuple[tuple[Diagnostic, ...]]]:
        return type(self), (self.diagnostics,)


def _details(diagnostic: Diagnostic) -> Iterator[str]:
    """What a diagnostic says besides its message, a line each."""
    if diagnostic.span is not None:
        yield f"--> {diagnostic.span}"
    yield from (f"{label.span}: {label.text}" for label in diagnostic.labels)
    yield from (f"note: {note}" for note in diagnostic.notes)
    if diagnostic.help is not None:
        yield f"help: {diagnostic.help}"


def error(
    id: str,
    message: str,
    span: Span | None = None,
    *,
    labels: Sequence[Label] = (),
    notes: Sequence[str] = (),
    help: str | None = None,
) -> DiagnosticError:
    """A `DiagnosticError` with one diagnostic, to be raised by the caller."""
    return DiagnosticError(
        [Diagnostic(id, brief(message), span, labels=tuple(labels), notes=tuple(notes), help=help)]
    )
