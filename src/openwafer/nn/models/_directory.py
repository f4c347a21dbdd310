"""Hugging Face directories: config.json, safetensors, tokenizer.json."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from openwafer.diag import DiagnosticError, error
from openwafer.nn.models._config import LlamaConfig, ModelConfig, read_config

if TYPE_CHECKING:
    import torch

ARCHITECTURES = {
    "llama": "LlamaForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "gpt2": "GPT2LMHeadModel",
}

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


def make_model(config: ModelConfig) -> torch.nn.Module:
    """With random weights."""
    from openwafer.nn.models._gpt2 import Gpt2
    from openwafer.nn.models._llama import Llama

    return Llama(config) if isinstance(config, LlamaConfig) else Gpt2(config)


def load(directory: str | Path) -> Checkpoint:
    """Diagnostics: those of `read_config`, weights-unreadable, weights-missing, weights-shape,
    tokenizer-unreadable, tokenizer-mismatch."""
    root = Path(directory)
    config = read_config(root / "config.json")
    model = make_model(config)
    _fill(model, _tensors(root), root)
    return Checkpoint(config, model.eval(), _tokenizer(root, config.vocab_size))


def _tensors(root: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    tensors: dict[str, torch.Tensor] = {}
    for path in _files(root):
        try:
            tensors.update(load_file(path))
        except (OSError, SafetensorError) as failure:
            raise error("weights-unreadable", f"{path}: {failure}") from failure
    return tensors


def _files(root: Path) -> Iterable[Path]:
    """The shards that an index names, or the one file."""
    index = root / "model.safetensors.index.json"
    if not index.exists():
        return [root / "model.safetensors"]
    try:
        shards: dict[str, str] = msgspec.json.decode(index.read_bytes())["weight_map"]
    except (OSError, msgspec.MsgspecError, KeyError) as failure:
        raise error("weights-unreadable", f"{index}: {failure}") from failure
    return [root / name for name in sorted(set(shards.values()))]


def _fill(model: torch.nn.Module, tensors: Mapping[str, torch.Tensor], root: Path) -> None:
    import torch

    parameters = dict(model.named_parameters())
    found = {name: _find(name, tensors) for name in parameters}
    missing = [name for name, tensor in found.items() if tensor is None]
    if missing:
        text = ", ".join(f"`{name}`" for name in missing[:3])
        raise error(
            "weights-missing", f"{root}: {len(missing)} parameters have no weights, among them {text}"
        )
    with torch.no_grad():
        for name, parameter in parameters.items():
            tensor = found[name]
            assert tensor is not None
            if tensor.shape != parameter.shape:
                raise _wrong_shape(root, name, tensor, parameter)
            parameter.copy_(tensor.to(torch.float32))


def _find(name: str, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor | None:
    """Old checkpoints of GPT-2 have no prefix."""
    return tensors.get(name, tensors.get(name.removeprefix("transformer.")))


def _wrong_shape(root: Path, name: str, found: Any, wanted: Any) -> DiagnosticError:
    text = f"`{name}` is {list(found.shape)}, by config.json it must be {list(wanted.shape)}"
    return error("weights-shape", f"{root}: {text}")


def _tokenizer(root: Path, vocabulary: int) -> Any:
    path = root / "tokenizer.json"
    if not path.exists():
        return None
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as failure:  # the library raises nothing narrower
        raise error("tokenizer-unreadable", f"{path}: {failure}") from failure
    highest = max(tokenizer.get_vocab().values(), default=-1)
    if highest >= vocabulary:
        text = f"{path} has tokens up to {highest}, the model only {vocabulary}"
        raise error("tokenizer-mismatch", text, help="the tokenizer belongs to another model")
    return tokenizer


def save(checkpoint: Checkpoint, directory: str | Path) -> None:
    """Writes a directory that `transformers` reads; each file appears when it is complete."""
    from safetensors.torch import save as to_bytes

    root = Path(directory)
    root.mkdir(parents=True, exist_ok=True)
    tensors = {name: p.detach().contiguous() for name, p in checkpoint.model.named_parameters()}
    _write(root / "model.safetensors", to_bytes(tensors, {"format": "pt"}))
    _write(root / "config.json", msgspec.json.format(msgspec.json.encode(_document(checkpoint.config))))
    if checkpoint.tokenizer is not None:
        _write(root / "tokenizer.json", checkpoint.tokenizer.to_str(pretty=True).encode())
        _write(root / "tokenizer_config.json", msgspec.json.encode(TOKENIZER_CONFIG))


def _document(config: ModelConfig) -> dict[str, Any]:
    fields: dict[str, Any] = {k: v for k, v in msgspec.to_builtins(config).items() if v is not None}
    if isinstance(config, LlamaConfig):
        rotary = config.rotary
        default = rotary.rope_type == "default"
        names = ("rope_theta", "rope_type") if default else rotary.__struct_fields__
        fields["rope_parameters"] = {name: getattr(rotary, name) for name in names}
        fields.pop("rope_scaling", None)
    return {"architectures": [ARCHITECTURES[config.model_type]], "dtype": "float32", **fields}


def _write(path: Path, data: bytes) -> None:
    """All or nothing."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.chmod(name, 0o644)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
