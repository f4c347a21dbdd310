"""Training on text, and generating it. Importing this does not import PyTorch."""

from openwafer.nn.text._corpus import Corpus, documentation, read_text
from openwafer.nn.text._recipe import Recipe
from openwafer.nn.text._tokenizers import byte_pairs, characters, encode

__all__ = ["Corpus", "Recipe", "byte_pairs", "characters", "documentation", "encode", "read_text"]
