"""From a PyTorch model to a CSL program on the wafer. Importing this does not import PyTorch."""

from openwafer.nn._api import compile, compile_generation, compile_training
from openwafer.nn._wafer import Wafer

__all__ = ["Wafer", "compile", "compile_generation", "compile_training"]
