"""What is imported late, so that commands and host scripts start fast."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("first", "absent"),
    [
        ("import openwafer.cli", ("numpy", "numba", "msgspec", "rich", "jinja2", "torch", "openwafer.csl")),
        ("import openwafer.host", ("numba", "llvmlite", "rich", "torch", "openwafer.csl._compile")),
        ("import openwafer.csl", ("numba", "llvmlite", "rich", "torch", "openwafer.csl._compile")),
        ("from openwafer.csl import compile_layout", ("numba", "llvmlite", "rich", "torch")),
    ],
)
def test_heavy_modules_are_imported_when_used(first: str, absent: tuple[str, ...]) -> None:
    code = f"{first}\nimport sys\nprint(*[m for m in {absent!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
