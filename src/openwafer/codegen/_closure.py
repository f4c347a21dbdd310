"""The modules of OpenWafer that a module is made of, and a digest of their sources.

The digest is in the key of what is compiled from them. The closure goes along the imports of names:
`from openwafer.diag import error` leads to the module that defines `error`, not to all that `diag` offers.
Sources are read, not imported, so that a key costs a few milliseconds.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
_IMPORT = re.compile(
    r"^[ \t]*from[ ]+(?P<module>openwafer[.\w]*)[ ]+import[ ]+(?:\((?P<lines>[^)]*)\)|(?P<line>[^\n(]*))"
    r"|^[ \t]*import[ ]+(?P<plain>openwafer[.\w]*)",
    re.MULTILINE,
)
_FOR_TYPES = re.compile(r"^if TYPE_CHECKING:\n(?:[ \t]+[^\n]*\n|\n)+", re.MULTILINE)
_COMMENT = re.compile(r"#[^\n]*")


def closure(root: str, package: Path = PACKAGE) -> tuple[Path, ...]:
    """The files of `root` (`openwafer.sim.fast._loop`) and of all modules that names come from, sorted."""
    found: set[Path] = set()
    waiting = [_file(package, root)]
    while waiting:
        path = waiting.pop()
        if path is not None and path not in found:
            found.add(path)
            waiting += _imported(package, path)
    return tuple(sorted(found))


def source_digest(root: str, package: Path = PACKAGE) -> str:
    """A digest of the names and contents of the closure."""
    return _digest(package, root)


@cache
def _digest(package: Path, root: str) -> str:
    digest = hashlib.sha256()
    for path in closure(root, package):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(package).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _imported(package: Path, path: Path) -> Iterator[Path | None]:
    named: dict[str, set[str]] = {}
    for module, name in _imports(path):
        named.setdefault(module, set()).add(name)
    for module, names in named.items():
        base = _file(package, module)
        is_package = base is not None and base.name == "__init__.py"
        yield from {_origin(package, module, name) for name in names} if is_package else (base,)


def _imports(path: Path, *, for_types: bool = False) -> Iterator[tuple[str, str]]:
    """(module, name) of every import of ours in a file that happens when it runs; on request also of those
    that stand there for type checkers."""
    text = path.read_text("utf-8")
    for match in _IMPORT.finditer(text if for_types else _FOR_TYPES.sub("", text)):
        if match["plain"]:
            yield match["plain"], ""
            continue
        for part in _COMMENT.sub("", match["lines"] or match["line"]).split(","):
            if words := part.split():
                yield match["module"], words[0]


def _origin(package: Path, module: str, name: str) -> Path | None:
    """The file that a name of a package comes from: a module of this name, the module that the package takes
    it from (those that it imports later stand there for type checkers), or the package itself."""
    path = _file(package, module)
    if path is None or path.name != "__init__.py" or not name:
        return path
    if own := _file(package, f"{module}.{name}"):
        return own
    source = next((source for source, exported in _imports(path, for_types=True) if exported == name), None)
    return path if source is None else _origin(package, source, name)


def _file(package: Path, module: str) -> Path | None:
    base = package.joinpath(*module.split(".")[1:])
    places = (base.with_name(f"{base.name}.py"), base / "__init__.py")
    return next((place for place in places if place.is_file()), None)
