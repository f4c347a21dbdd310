"""Hugging Face directories: config.json, safetensors, tokenizer.json."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from openwafer.files import write_bytes, writing
from openwafer.nn.models._config import LlamaConfig, ModelConfig
from openwafer.nn.models._read_config import read_config
from openwafer.nn.models._tokenizer import load_tokenizer
from openwafer.nn.models._weights import load_model

if TYPE_CHECKING:
    import torch

ARCHITECTURES = {
    "llama": "LlamaForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "gpt2": "GPT2LMHeadModel",
}

CANNOT_WRITE = "model-cannot-write"
TOKENIZER_CONFIG = {"tokenizer_class": "PreTrainedTokenizerFast"}
"""How `transformers` is told to read tokenizer.json."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model with its weights; `tokenizer` (of the library `tokenizers`) is None if the directory has
    none."""

    config: ModelConfig
    model: torch.nn.Module
    tokenizer: Any

    @property
    def stop(self) -> tuple[int, ...]:
        """Tokens that end a text."""
        match self.config.eos_token_id:
            case None:
                return ()
            case int() as one:
                return (one,)
            case several:
                return tuple(several)


def load(directory: str | Path) -> Checkpoint:
    """Diagnostics: those of `read_config`, `load_model` and `load_tokenizer`."""
    root = Path(directory)
    config = read_config(root)
    model = load_model(root, config)
    return Checkpoint(config, model.eval(), load_tokenizer(root, config.vocab_size))


def save(checkpoint: Checkpoint, directory: str | Path) -> None:
    """Writes a directory that `transformers` reads; each file appears when it is complete.

    Diagnostics: model-cannot-write.
    """
    root = Path(directory)
    with writing(root, CANNOT_WRITE):
        root.mkdir(parents=True, exist_ok=True)
    for name, data in contents(checkpoint).items():
        write_bytes(root / name, data, CANNOT_WRITE)


def contents(checkpoint: Checkpoint) -> dict[str, bytes]:
    """The files of a directory that `transformers` reads, in the order in which they are written."""
    from safetensors.torch import save as to_bytes

    tensors = {name: p.detach().contiguous() for name, p in checkpoint.model.named_parameters()}
    config = msgspec.json.format(msgspec.json.encode(_document(checkpoint.config)))
    files = {"model.safetensors": to_bytes(tensors, {"format": "pt"}), "config.json": config}
    if checkpoint.tokenizer is not None:
        files["tokenizer.json"] = checkpoint.tokenizer.to_str(pretty=True).encode()
        files["tokenizer_config.json"] = msgspec.json.encode(TOKENIZER_CONFIG)
    return files


def _document(config: ModelConfig) -> dict[str, Any]:
    fields: dict[str, Any] = {k: v for k, v in msgspec.to_builtins(config).items() if v is not None}
    if isinstance(config, LlamaConfig):
        rotary = config.rotary
        default = rotary.rope_type == "default"
        names = ("rope_theta", "rope_type") if default else rotary.__struct_fields__
        fields["rope_parameters"] = {name: getattr(rotary, name) for name in names}
        fields.pop("rope_scaling", None)
    return {"architectures": [ARCHITECTURES[config.model_type]], "dtype": "float32", **fields}
