"""What a real system would do with a model: time, energy, cost, in closed form."""

from openwafer.estimate._bands import Banded
from openwafer.estimate._config import Layer, ModelConfig
from openwafer.estimate._constants import document as fitted_constants
from openwafer.estimate._count import Parameters, count_parameters
from openwafer.estimate._estimate import Estimate, estimate
from openwafer.estimate._frontier import Crossing, Frontier, frontier
from openwafer.estimate._known import known_models, load_model
from openwafer.estimate._layers import LayerCost, layer_costs
from openwafer.estimate._parse_config import parse_config
from openwafer.estimate._training import TrainingEstimate, estimate_training
from openwafer.estimate.validation._validate import Row as ValidationRow
from openwafer.estimate.validation._validate import Validation, validate
from openwafer.machine.systems import Format

__all__ = [
    "Banded",
    "Crossing",
    "Estimate",
    "Format",
    "Frontier",
    "Layer",
    "LayerCost",
    "ModelConfig",
    "Parameters",
    "TrainingEstimate",
    "Validation",
    "ValidationRow",
    "count_parameters",
    "estimate",
    "estimate_training",
    "fitted_constants",
    "frontier",
    "known_models",
    "layer_costs",
    "load_model",
    "parse_config",
    "validate",
]
