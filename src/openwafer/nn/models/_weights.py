"""Weights of a Hugging Face directory: nothing is made that its files and its config do not both say."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openwafer.diag import DiagnosticError, Source, error, warn
from openwafer.files import MIB, check_regular, inside, parse_json, read_text
from openwafer.nn.models._config import LlamaConfig, ModelConfig

if TYPE_CHECKING:
    import torch

ID = "weights-unreadable"
MOST_BYTES = 2**23 * MIB
MOST_INDEX_BYTES = MOST_HEADER_BYTES = 16 * MIB
TYPES = ("F32", "F16", "BF16", "F64")
_UNUSED = re.compile(r".*(rotary_emb\.inv_freq|attn\.(masked_)?bias)|lm_head\.weight")
"""What older versions of `transformers` wrote besides weights, and the name of shared weights."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """What the header of a file says of a tensor."""

    file: Path
    name: str
    shape: tuple[int, ...]
    type: str


def make_model(config: ModelConfig) -> torch.nn.Module:
    """With random weights."""
    from openwafer.nn.models._gpt2 import Gpt2
    from openwafer.nn.models._llama import Llama

    return Llama(config) if isinstance(config, LlamaConfig) else Gpt2(config)


def count_parameters(config: ModelConfig) -> int:
    """Numbers in the weights of the model, without memory for them."""
    return sum(math.prod(shape) for shape in _shapes(config).values())


def load_model(root: Path, config: ModelConfig) -> torch.nn.Module:
    """Diagnostics: weights-unreadable, weights-missing, weights-shape, weights-type, weights-not-finite."""
    stored = {tensor.name: tensor for path in _files(root) for tensor in _header(path)}
    wanted = _wanted(root, config, len(stored))
    found = {name: _find(name, stored) for name in wanted}
    missing = [name for name, tensor in found.items() if tensor is None]
    if missing:
        raise _missing(root, len(missing), missing)
    chosen = {name: tensor for name, tensor in found.items() if tensor is not None}
    for name, shape in wanted.items():
        _check(root, name, chosen[name], shape)
    _tell_unused(root, stored.keys() - {tensor.name for tensor in chosen.values()})
    return _filled(make_model(config), chosen)


def _wanted(root: Path, config: ModelConfig, most: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the parameters that the config asks for, without memory for them."""
    layers = config.num_hidden_layers if isinstance(config, LlamaConfig) else config.n_layer
    if layers > most:
        text = f"weights for {layers:,} layers cannot be in files of {most:,} tensors"
        raise error("weights-missing", f"{root}: {text}")
    return _shapes(config)


def _shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    import torch

    with torch.device("meta"):
        model = make_model(config)
    return {name: tuple(p.shape) for name, p in model.named_parameters()}


def _files(root: Path) -> Iterable[Path]:
    """The shards that an index names, or the one file."""
    index = inside(root, "model.safetensors.index.json", ID)
    if not index.is_symlink() and not index.exists():
        return [inside(root, "model.safetensors", ID)]
    text = read_text(index, "index of the weights", ID, MOST_INDEX_BYTES)
    shards: Any = parse_json(Source(str(index), text), ID).get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(name, str) for name in shards.values()):
        raise error(ID, f"{index}: `weight_map` must be an object whose values are names of files")
    return [inside(root, name, ID) for name in sorted(set(shards.values()))]


def _header(path: Path) -> list[Tensor]:
    from safetensors import SafetensorError, safe_open

    check_regular(path, "weights", ID, MOST_BYTES)
    try:
        with path.open("rb") as file:
            count = int.from_bytes(file.read(8), "little")
        if count > MOST_HEADER_BYTES:
            raise error(ID, f"{path}: a header of {count:,} bytes, allowed are {MOST_HEADER_BYTES:,}")
        with safe_open(path, "pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            return [Tensor(path, n, tuple(s.get_shape()), str(s.get_dtype())) for n, s in slices.items()]
    except MemoryError:
        raise _too_large(path) from None
    except (OSError, ValueError, SafetensorError) as failure:
        raise error(ID, f"{path}: {failure}") from None


def _too_large(path: Path) -> DiagnosticError:
    size = path.stat().st_size
    return error("not-enough-memory", f"`{path}` ({size:,} bytes) does not fit the memory of this computer")


def _find(name: str, stored: Mapping[str, Tensor]) -> Tensor | None:
    """Old checkpoints of GPT-2 have no prefix."""
    return stored.get(name, stored.get(name.removeprefix("transformer.")))


def _check(root: Path, name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    if tensor.shape != shape:
        text = f"`{name}` is {list(tensor.shape)}, by config.json it must be {list(shape)}"
        raise error("weights-shape", f"{root}: {text}")
    if tensor.type not in TYPES:
        text = f"`{name}` is of type {tensor.type}, allowed are {', '.join(TYPES)}"
        raise error("weights-type", f"{root}: {text}")


def _missing(root: Path, count: int, names: list[str]) -> DiagnosticError:
    text = ", ".join(f"`{name}`" for name in names[:3])
    return error("weights-missing", f"{root}: {count} parameters have no weights, among them {text}")


def _tell_unused(root: Path, names: Iterable[str]) -> None:
    left = sorted(name for name in names if not _UNUSED.fullmatch(name))
    if left:
        text = f"{root}: {len(left)} tensors are not used, among them `{left[0]}`"
        warn("weights-unused", text, help="config.json describes another model, or only a part of it")


def _filled(model: torch.nn.Module, chosen: Mapping[str, Tensor]) -> torch.nn.Module:
    import torch
    from safetensors import SafetensorError, safe_open

    parameters = dict(model.named_parameters())
    by_file: dict[Path, list[str]] = {}
    for name, tensor in chosen.items():
        by_file.setdefault(tensor.file, []).append(name)
    for path, names in by_file.items():
        try:
            with torch.no_grad(), safe_open(path, "pt") as file:
                for name in names:
                    parameters[name].copy_(file.get_tensor(chosen[name].name).to(torch.float32))
                    _check_finite(path, name, parameters[name])
        except MemoryError:
            raise _too_large(path) from None
        except (OSError, SafetensorError) as failure:
            raise error(ID, f"{path}: {failure}") from None
    return model


def _check_finite(path: Path, name: str, parameter: torch.Tensor) -> None:
    finite = parameter.isfinite()
    if not finite.all():
        at = (~finite).nonzero()[0].tolist()
        value = float(parameter[tuple(at)])
        raise error("weights-not-finite", f"{path}: `{name}` is {value} at {at}, no finite f32")
