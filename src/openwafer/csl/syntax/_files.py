"""Finding, reading and parsing source files, each once."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from openwafer.csl.syntax import _ast as ast
from openwafer.csl.syntax._module import ParsedFile
from openwafer.csl.syntax._parser import parse
from openwafer.diag import Label, Source, Span, error, suggest
from openwafer.files import MIB, read_text

NOT_BUILT = ("<kernels/fft/fft3d>", "<kernels/fft/get_params>", "<message_passing>")
"""Libraries that are documented or used by public programs, without an implementation."""

MOST_BYTES = 16 * MIB
"""Of a source."""
LIBRARY = resources.files("openwafer.csl") / "lib"


class FileLoader:
    """Resolves import paths: relative to the importing file, then along the import path; `<name>` is the
    library."""

    def __init__(self, import_path: tuple[str, ...] = ()) -> None:
        self.import_path = import_path
        self._parsed: dict[str, ParsedFile] = {}

    def load(self, name: str, importer: str | None, span: Span | None) -> ParsedFile:
        """The parsed file `name` as imported from file `importer`; `file-not-found` with the places tried."""
        path = self.resolve(name, importer, span)
        found = self._parsed.get(path)
        if found is None:
            found = self._parsed[path] = _parse(path)
        return found

    def texts(self, paths: Iterable[str]) -> dict[str, str]:
        """The texts of the user's files among `paths`, which are those of their sources."""
        known = {file.source.path: file.source.text for file in self._parsed.values()}
        return {path: known[path] for path in paths if path in known and not path.startswith("<")}

    def resolve(self, name: str, importer: str | None, span: Span | None) -> str:
        if name.startswith("<") and name.endswith(">"):
            return _library_path(name, span)
        places = [
            Path(importer).parent if importer and not importer.startswith("<") else Path(),
            *map(Path, self.import_path),
        ]
        for place in places:
            for candidate in (place / name, place / f"{name}.csl"):
                if candidate.is_file():
                    return os.path.abspath(candidate)
        tried = tuple(f"looked in {place.resolve()}" for place in places)
        raise error("file-not-found", f"no file `{name}`", span, notes=tried)


def _library_path(name: str, span: Span | None) -> str:
    if (LIBRARY / f"{name[1:-1]}.csl").is_file():
        return name
    known = library_names()
    if name in NOT_BUILT:
        raise error("not-supported-library", f"library `{name}` is not supported yet", span)
    raise error(
        "library-not-found",
        f"no library `{name}`",
        span,
        notes=[f"libraries: {', '.join(known)}"],
        help=suggest(name, known),
    )


def library_names() -> list[str]:
    root = Path(str(LIBRARY))
    return sorted(f"<{p.relative_to(root).with_suffix('').as_posix()}>" for p in root.rglob("*.csl"))


def _parse(path: str) -> ParsedFile:
    text = _read(path)
    source = Source(path if path.startswith("<") else os.path.relpath(path), text)
    tree = parse(source)
    return ParsedFile(path, source, tree, _names(tree))


def _read(path: str) -> str:
    if path.startswith("<"):
        return (LIBRARY / f"{path[1:-1]}.csl").read_text("utf-8")
    return read_text(path, "source", "file-not-readable", MOST_BYTES, not_text="not-utf8")


def _names(tree: ast.File) -> dict[str, ast.ParamDecl | ast.VarDecl | ast.FnDecl | ast.ColorDecl]:
    names: dict[str, ast.ParamDecl | ast.VarDecl | ast.FnDecl | ast.ColorDecl] = {}
    for decl in tree.declarations:
        if isinstance(decl, ast.FnDecl):
            _check_params(decl)
        if isinstance(decl, (ast.ParamDecl, ast.VarDecl, ast.FnDecl)):
            _add(names, decl.name, decl)
        elif isinstance(decl, ast.ColorDecl):
            for name in decl.names:
                _add(names, name, decl)
    return names


def _check_params(decl: ast.FnDecl) -> None:
    seen: set[str] = set()
    for param in decl.params:
        if param.name in seen and param.name not in ("", "_"):
            raise error("duplicate-name", f"parameter `{param.name}` is declared twice", param.span)
        seen.add(param.name)


def _add(
    names: dict[str, ast.ParamDecl | ast.VarDecl | ast.FnDecl | ast.ColorDecl],
    name: str,
    decl: ast.ParamDecl | ast.VarDecl | ast.FnDecl | ast.ColorDecl,
) -> None:
    if name in names:
        first = Label(names[name].span, "first declared here")
        raise error("duplicate-name", f"`{name}` is declared twice", decl.span, labels=[first])
    names[name] = decl


def parse_type(text: str, name: str) -> ast.Expr:
    """The type expression `text`, e.g. from a label `name:[8]i16` of a JSON file."""
    tree = parse(Source(name, f"const t = {text};"))
    decl = tree.declarations[0]
    assert isinstance(decl, ast.VarDecl) and decl.value is not None
    return decl.value
