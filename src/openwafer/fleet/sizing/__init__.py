"""Sizing: which systems stand where and when, and what they serve, at the least cost, carbon or waiting."""

from openwafer.fleet.sizing._highs import load_highspy
from openwafer.fleet.sizing._modes import Mode
from openwafer.fleet.sizing._plan import Plan, Rounding, Shadow
from openwafer.fleet.sizing._problem import Floats, Problem, quarter_charge, quarter_hours
from openwafer.fleet.sizing._queue import Pool, mean_wait_s, most_busy, tail_wait_s, waits
from openwafer.fleet.sizing._size import Goal, of_kind, prepare, size
from openwafer.fleet.sizing._stress import Stress, lagged

__all__ = [
    "Floats",
    "Goal",
    "Mode",
    "Plan",
    "Pool",
    "Problem",
    "Rounding",
    "Shadow",
    "Stress",
    "lagged",
    "load_highspy",
    "mean_wait_s",
    "most_busy",
    "of_kind",
    "prepare",
    "quarter_charge",
    "quarter_hours",
    "size",
    "tail_wait_s",
    "waits",
]
