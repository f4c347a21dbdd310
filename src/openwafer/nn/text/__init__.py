"""Training on text, and generating it. Importing this does not import PyTorch."""

from typing import TYPE_CHECKING

from openwafer._later import later
from openwafer.nn.text._corpus import Corpus, documentation, read_text
from openwafer.nn.text._recipe import Recipe
from openwafer.nn.text._tokenizers import byte_pairs, characters, encode

if TYPE_CHECKING:
    from openwafer.nn.text._trainer import Trainer, new_model, next_token_loss, optimizer_for

__all__ = [
    "Corpus",
    "Recipe",
    "Trainer",
    "byte_pairs",
    "characters",
    "documentation",
    "encode",
    "new_model",
    "next_token_loss",
    "optimizer_for",
    "read_text",
]

__getattr__, __dir__ = later(
    __name__, {"_trainer": ("Trainer", "new_model", "next_token_loss", "optimizer_for")}
)
