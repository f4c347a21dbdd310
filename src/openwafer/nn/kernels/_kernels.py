"""All local kernels by name: `KERNELS`. A family of kernels is one module of this folder with one table."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from openwafer.nn.kernels._activation import ACTIVATION
from openwafer.nn.kernels._attention import ATTENTION
from openwafer.nn.kernels._convolution import PICTURES
from openwafer.nn.kernels._dropout import DROPOUT
from openwafer.nn.kernels._elementwise import ELEMENTWISE
from openwafer.nn.kernels._kernel import Kernel
from openwafer.nn.kernels._linear import LINEAR
from openwafer.nn.kernels._matrix import MATRIX
from openwafer.nn.kernels._norm import NORM
from openwafer.nn.kernels._optimizer import OPTIMIZER
from openwafer.nn.kernels._rope import ROPE
from openwafer.nn.kernels._rows import ROWS
from openwafer.nn.kernels._softmax import SOFTMAX
from openwafer.nn.kernels._tokens import TOKENS
from openwafer.nn.kernels._vector import VECTOR

KERNELS: dict[str, Kernel] = {
    **ELEMENTWISE,
    **ACTIVATION,
    **LINEAR,
    **NORM,
    **ROPE,
    **ATTENTION,
    **SOFTMAX,
    **TOKENS,
    **OPTIMIZER,
    **MATRIX,
    **ROWS,
    **VECTOR,
    **DROPOUT,
    **PICTURES,
}


def kernel_sources() -> dict[str, str]:
    """Text of every file of `nn/kernels`, by file name."""
    folder = Path(str(resources.files("openwafer.nn") / "kernels"))
    return {path.name: path.read_text("utf-8") for path in sorted(folder.glob("*.csl"))}
