"""Versions that results depend on: what a result must be recorded with to be had again."""

from __future__ import annotations

import hashlib
import platform
import re
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

PACKAGE = Path(__file__).parent
ALWAYS = ("numpy", "numba", "llvmlite")
"""Libraries that compute results: rounding and machine code depend on them."""
IF_IMPORTED = ("torch",)
_MODEL = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)


def versions() -> dict[str, str]:
    """Name → version of OpenWafer, Python, NumPy, numba, llvmlite, and of PyTorch if it is imported, then the
    processor. `sources` is a digest of OpenWafer's own files, which tells apart states of one version.

    Imports none of them. What is not installed is not listed. Cost: some 20 ms the first time."""
    libraries = [*ALWAYS, *(name for name in IF_IMPORTED if name in sys.modules)]
    found = {name: version for name in libraries if (version := version_of(name))}
    python = f"{platform.python_implementation()} {platform.python_version()}"
    own = {"openwafer": own_version(), "sources": source_digest(), "python": python}
    return own | found | {"processor": processor()}


def own_version() -> str:
    """The version of the installed package; `0+unknown` if only its sources are on the path."""
    return _installed("openwafer") or "0+unknown"


def version_of(name: str) -> str | None:
    """The version of a package that is imported or installed, else None."""
    module = sys.modules.get(name)
    imported = None if module is None else vars(module).get("__version__")
    return str(imported) if isinstance(imported, str) else _installed(name)


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@cache
def source_digest(package: Path = PACKAGE) -> str:
    """Twelve hexadecimal digits, of names and contents of all files of the package but compiled ones."""
    digest = hashlib.sha256()
    for path in sorted(p for p in package.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(package).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:12]


@cache
def processor() -> str:
    """`x86_64, AMD EPYC 9654`: the instruction set, and the model where the system names it."""
    return ", ".join(part for part in (platform.machine(), _model()) if part)


def _model() -> str:
    if sys.platform == "darwin":
        return _output("sysctl", "-n", "machdep.cpu.brand_string")
    try:
        match = _MODEL.search(Path("/proc/cpuinfo").read_text("utf-8", errors="replace"))
    except OSError:
        return platform.processor()
    return match[1].strip() if match else ""


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
