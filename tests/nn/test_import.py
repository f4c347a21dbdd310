"""Importing does not import PyTorch."""

from __future__ import annotations

import subprocess
import sys

from patience import PATIENCE_S


def test_import_without_torch() -> None:
    code = (
        "import sys, openwafer, openwafer.nn; "
        "assert openwafer.Wafer is openwafer.nn.Wafer; "
        "from openwafer.nn import graph, kernels, ops, program, run; from openwafer.nn.program import _emit; "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE_S)
