"""Module instances: a file with values for its parameters, and its globals, evaluated when first used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from openwafer.csl.syntax import _ast as ast
from openwafer.csl.values._values import Place, Value
from openwafer.diag import Source, Span

if TYPE_CHECKING:
    from openwafer.csl.evaluate._unit import Unit


@dataclass(slots=True, frozen=True, eq=False)
class ParsedFile:
    """A file with its declarations by name. `path` is absolute, or `<name>` for the library."""

    path: str
    source: Source
    tree: ast.File
    names: dict[str, ast.ParamDecl | ast.VarDecl | ast.FnDecl | ast.ColorDecl]


@dataclass(slots=True, eq=False)
class Module:
    """One instance of a file, of a layout or of a program. `globals` fills as names are used; `params` are
    the given arguments, `imported` is the place of the first import."""

    unit: Unit
    file: ParsedFile
    params: dict[str, Value]
    instance: int
    imported: Span | None = None
    globals: dict[str, Place] = field(default_factory=dict[str, Place])
    evaluating: set[str] = field(default_factory=set[str])

    @property
    def name(self) -> str:
        return self.file.path
