"""Kernels: CSL, and the Python that chooses and costs it."""

from openwafer.nn.kernels._collectives import all_reduce_cycles, choose_line
from openwafer.nn.kernels._linear_cost import linear_cycles, linear_half_cycles

__all__ = ["all_reduce_cycles", "choose_line", "linear_cycles", "linear_half_cycles"]
