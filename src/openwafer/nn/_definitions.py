"""Definitions of kernels whose CSL is still to come: what the interpreter can run besides `KERNELS`."""

from openwafer.nn._kernel import Kernel
from openwafer.nn._kernels import KERNELS
from openwafer.nn._kernels_optimizer import OPTIMIZER
from openwafer.nn._kernels_rope import ROPE
from openwafer.nn._kernels_tokens import TOKENS

DEFINITIONS: dict[str, Kernel] = {**KERNELS, **ROPE, **TOKENS, **OPTIMIZER}
