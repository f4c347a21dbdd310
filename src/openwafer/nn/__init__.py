"""From a PyTorch model to a CSL program on the wafer. Importing this does not import PyTorch."""

from typing import TYPE_CHECKING

from openwafer._later import later
from openwafer.nn._api import compile, compile_generation, compile_training, require_torch
from openwafer.nn._sampling import sampling
from openwafer.nn._wafer import Wafer

if TYPE_CHECKING:
    from openwafer.nn.run._generation import Generator
    from openwafer.nn.run._profile import Phase
    from openwafer.nn.run._usage import Usage

__all__ = [
    "Generator",
    "Phase",
    "Usage",
    "Wafer",
    "compile",
    "compile_generation",
    "compile_training",
    "require_torch",
    "sampling",
]

__getattr__, __dir__ = later(
    __name__, {"run._generation": ("Generator",), "run._profile": ("Phase",), "run._usage": ("Usage",)}
)
