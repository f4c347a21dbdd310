"""Uncertainty: a plan in many draws, and a plan that survives most of them."""

from openwafer.fleet.uncertainty._draws import Draws, draw
from openwafer.fleet.uncertainty._evaluate import Outcomes, evaluate
from openwafer.fleet.uncertainty._matters import Bar, share_of_variance, tornado
from openwafer.fleet.uncertainty._options import Worth, has_values, option, waiting
from openwafer.fleet.uncertainty._robust import FRESH_DRAWS, FRESH_SEED, Robust, quantiles, robust, towards

__all__ = [
    "FRESH_DRAWS",
    "FRESH_SEED",
    "Bar",
    "Draws",
    "Outcomes",
    "Robust",
    "Worth",
    "draw",
    "evaluate",
    "has_values",
    "option",
    "quantiles",
    "robust",
    "share_of_variance",
    "tornado",
    "towards",
    "waiting",
]
