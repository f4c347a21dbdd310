"""From a TOML file to a `Machine`. Everything wrong with a file is told at once, each with its place."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from openwafer.diag import DiagnosticError, Source, Span, error, read_regular, suggest
from openwafer.machine._check import Checker
from openwafer.machine._fact import Fact, Value
from openwafer.machine._machine import Machine
from openwafer.machine._schema import BUILT_IN, TABLES, Arch, specs

_TOML_ERROR = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)


MOST_BYTES = 1 << 20
"""The largest machine file that is read."""


def load_machine(machine: str | Machine) -> Machine:
    """`wse2`, `wse3`, or the path of a machine file, which may build on one of them with `base = "wse3"`.
    A machine that is loaded already is returned as it is.

    Diagnostics: machine-not-found, machine-unreadable, machine-syntax, and those of `Checker`.
    """
    if isinstance(machine, Machine):
        return machine
    if machine in BUILT_IN:
        text = resources.files("openwafer.machine").joinpath(f"{machine}.toml").read_text("utf-8")
        return _read(Source(f"{machine}.toml", text), machine)
    return _read(_open(machine), machine)


def _open(path: str) -> Source:
    try:
        return Source(path, read_regular(path, MOST_BYTES).decode("utf-8"))
    except FileNotFoundError:
        hint = suggest(path, BUILT_IN) or f"name one of {', '.join(BUILT_IN)}, or a file"
        raise error("machine-not-found", f"no machine and no file `{path}`", help=hint) from None
    except (OSError, UnicodeDecodeError) as reason:
        why = "it is not UTF-8" if isinstance(reason, UnicodeDecodeError) else str(reason.strerror)
        raise error("machine-unreadable", f"cannot read machine file `{path}`: {why}") from None


def _read(source: Source, origin: str = "") -> Machine:
    checker = Checker(source, parse_toml(source))
    base = load_machine(name) if (name := checker.base()) else None
    arch = checker.arch(base.arch if base else None)
    facts = checker.facts(base.by_name if base else None)
    if checker.diagnostics:
        raise DiagnosticError(checker.diagnostics)
    return make_machine(checker.name() or Path(source.path).stem, cast(Arch, arch), facts, origin)


def parse_toml(source: Source) -> dict[str, Any]:
    """The document of a machine or system file. Diagnostics: machine-syntax."""
    try:
        return tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as reason:
        words = _TOML_ERROR.fullmatch(str(reason))
        message = words[1] if words else str(reason)
        span = _syntax_span(source, words[2] if words else None, words[3] if words else None)
        raise error("machine-syntax", f"not valid TOML: {message[:1].lower()}{message[1:]}", span) from None
    except (ValueError, RecursionError):
        raise error("machine-syntax", "a number too long or values nested too deep") from None


def _syntax_span(source: Source, line: str | None, column: str | None) -> Span:
    end = len(source.text)
    at = source.line_starts[int(line) - 1] + int(column) - 1 if line and column else end
    return Span(source, min(at, end), min(at + 1, end))


def make_machine(name: str, arch: Arch, facts: dict[str, Fact], origin: str) -> Machine:
    """The machine of checked facts."""
    tables: dict[str, Any] = {}
    for table, cls in TABLES.items():
        values: dict[str, Any] = {
            key: facts[f"{table}.{key}"].value for key in specs(cls) if f"{table}.{key}" in facts
        }
        if table == "dsd":
            values["simd_width"] = _simd_width(facts)
        tables[table] = cls(**values)
    return Machine(name=name, arch=arch, by_name=MappingProxyType(facts), origin=origin, **tables)


def _simd_width(facts: Mapping[str, Fact]) -> Mapping[str, Value]:
    prefix = "dsd.simd_width."
    widths = {name.removeprefix(prefix): f.value for name, f in facts.items() if name.startswith(prefix)}
    return MappingProxyType(widths)
