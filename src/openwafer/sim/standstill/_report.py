"""The report of a standstill: the chain of waits as data, as a diagnostic, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openwafer.diag import Diagnostic, Source, Span
from openwafer.sim.standstill._snapshot import Place


@dataclass(frozen=True, slots=True)
class Link:
    """One wait of a chain; `place` is None for the host, `line` is (file, line) of the code."""

    text: str
    place: Place | None
    line: tuple[str, int] | None
    kind: str


@dataclass(frozen=True, slots=True)
class BlockedLink:
    """Wavelets of a color that stand at an input port of a router."""

    x: int
    y: int
    port: str
    color: int
    count: int
    is_full: bool


@dataclass(frozen=True, slots=True)
class Report:
    """`repeats` is the place in `chain` to which the last link leads back, None if it leads to the cause."""

    cycle: int
    width: int
    height: int
    waiting_for: str
    cause: str
    message: str
    help: str | None
    line: tuple[str, int] | None
    chain: tuple[Link, ...]
    repeats: int | None
    blocked: tuple[BlockedLink, ...]


def diagnostic(report: Report, id: str, what: str, sources: Mapping[str, str]) -> Diagnostic:
    """The report as a diagnostic: message, source line of the cause, the chain as notes. Lines are shown
    from `sources`, texts by path, never from files that a program names."""
    message = f"{what}, and the {report.waiting_for} is not done: {report.message}"
    span = source_span(report.line, sources)
    notes = [f"cycle {report.cycle}, who waits on what:"]
    notes += [f"{number}. {_sentence(link)}" for number, link in enumerate(report.chain, 1)]
    if report.repeats is not None:
        notes.append(f"and so on from {report.repeats + 1}")
    return Diagnostic(id, message, span, notes=tuple(notes), help=report.help, data=to_json(report))


def _sentence(link: Link) -> str:
    return f"{link.text} ({link.line[0]}:{link.line[1]})" if link.line else link.text


def source_span(line: tuple[str, int] | None, sources: Mapping[str, str]) -> Span | None:
    """A line of a source file, without what it is indented by; None if its text is not there."""
    if line is None or line[0] not in sources:
        return None
    source = Source(line[0], sources[line[0]])
    if not 1 <= line[1] <= len(source.line_starts):
        return None
    text, start = source.line(line[1]), source.line_starts[line[1] - 1]
    return Span(source, start + len(text) - len(text.lstrip()), start + max(len(text.rstrip()), 1))


def to_json(report: Report) -> dict[str, Any]:
    """The report as JSON values. Chain places count from 0; `line` counts from 1."""
    return {
        "cycle": report.cycle,
        "width": report.width,
        "height": report.height,
        "waiting_for": report.waiting_for,
        "cause": report.cause,
        "message": report.message,
        "help": report.help,
        "line": _line_to_json(report.line),
        "chain": [_link_to_json(link) for link in report.chain],
        "repeats": report.repeats,
        "blocked": [
            {"pe": [b.x, b.y], "port": b.port, "color": b.color, "wavelets": b.count, "full": b.is_full}
            for b in report.blocked
        ],
    }


def _line_to_json(line: tuple[str, int] | None) -> dict[str, Any] | None:
    return {"file": line[0], "line": line[1]} if line else None


def _link_to_json(link: Link) -> dict[str, Any]:
    place = list(link.place) if link.place else None
    return {"kind": link.kind, "text": link.text, "pe": place, "line": _line_to_json(link.line)}
