"""Language models in plain PyTorch, and Hugging Face directories of them. Importing this does not import
PyTorch."""

from openwafer.nn.models._config import GptConfig, LlamaConfig, ModelConfig
from openwafer.nn.models._directory import Checkpoint, contents, load, save
from openwafer.nn.models._read_config import read_config
from openwafer.nn.models._tokenizer import Refused, guarded
from openwafer.nn.models._weights import count_parameters, make_model

__all__ = [
    "Checkpoint",
    "GptConfig",
    "LlamaConfig",
    "ModelConfig",
    "Refused",
    "contents",
    "count_parameters",
    "guarded",
    "load",
    "make_model",
    "read_config",
    "save",
]
