"""Language models in plain PyTorch, and Hugging Face directories of them. Importing this does not import
PyTorch."""

from openwafer.nn.models._config import GptConfig, LlamaConfig, ModelConfig, read_config
from openwafer.nn.models._directory import Checkpoint, load, make_model, save

__all__ = [
    "Checkpoint",
    "GptConfig",
    "LlamaConfig",
    "ModelConfig",
    "load",
    "make_model",
    "read_config",
    "save",
]
