"""All local kernels by name: `KERNELS`. A family of kernels is one module `_kernels_….py` with one table."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from openwafer.nn._kernel import Kernel
from openwafer.nn._kernels_activation import ACTIVATION
from openwafer.nn._kernels_attention import ATTENTION
from openwafer.nn._kernels_dropout import DROPOUT
from openwafer.nn._kernels_elementwise import ELEMENTWISE
from openwafer.nn._kernels_linear import LINEAR
from openwafer.nn._kernels_matrix import MATRIX
from openwafer.nn._kernels_norm import NORM
from openwafer.nn._kernels_optimizer import OPTIMIZER
from openwafer.nn._kernels_pictures import PICTURES
from openwafer.nn._kernels_rope import ROPE
from openwafer.nn._kernels_rows import ROWS
from openwafer.nn._kernels_softmax import SOFTMAX
from openwafer.nn._kernels_tokens import TOKENS
from openwafer.nn._kernels_vector import VECTOR

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
