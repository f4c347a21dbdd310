"""Sizing: which systems stand where and when, and what they serve, at the least cost, carbon or waiting."""

from openwafer.fleet.sizing._highs import load_highspy, solve
from openwafer.fleet.sizing._merge import as_one_site, part_of_option, prepare_longer, without_promises
from openwafer.fleet.sizing._modes import Mode
from openwafer.fleet.sizing._plan import Plan, Rounding, Shadow
from openwafer.fleet.sizing._prepare import prepare
from openwafer.fleet.sizing._problem import Floats, Problem, quarter_charge, quarter_hours
from openwafer.fleet.sizing._program import build
from openwafer.fleet.sizing._queue import Pool, mean_wait_s, most_busy, tail_wait_s, waits
from openwafer.fleet.sizing._service import first_tokens, held_over_mean, pools
from openwafer.fleet.sizing._size import Goal, of_kind, relax, relaxed_plan, size
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
    "as_one_site",
    "build",
    "first_tokens",
    "held_over_mean",
    "lagged",
    "load_highspy",
    "mean_wait_s",
    "most_busy",
    "of_kind",
    "part_of_option",
    "pools",
    "prepare",
    "prepare_longer",
    "quarter_charge",
    "quarter_hours",
    "relax",
    "relaxed_plan",
    "size",
    "solve",
    "tail_wait_s",
    "waits",
    "without_promises",
]
