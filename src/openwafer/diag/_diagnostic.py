"""Diagnostics: what the user is told when something is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from openwafer.diag._brief import brief
from openwafer.diag._source import Span

Severity = Literal["error", "warning"]


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
    """Raised with one or more diagnostics; the command line renders them and exits with 1."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics: tuple[Diagnostic, ...] = tuple(diagnostics)
        super().__init__("; ".join(f"{d.id}: {d.message}" for d in self.diagnostics))


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
