"""What a real system would do with a model: time, energy, cost, in closed form."""

from openwafer.estimate._config import Layer, ModelConfig, parse_config
from openwafer.estimate._count import Parameters, count_parameters
from openwafer.estimate._known import known_models, load_model
from openwafer.estimate._layers import LayerCost, layer_costs

__all__ = [
    "Layer",
    "LayerCost",
    "ModelConfig",
    "Parameters",
    "count_parameters",
    "known_models",
    "layer_costs",
    "load_model",
    "parse_config",
]
