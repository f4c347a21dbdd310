"""From a `config.json` that somebody else wrote to a config, or to what is wrong with it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

import msgspec

from openwafer.diag import DiagnosticError, Source, error, suggest
from openwafer.files import MIB, inside, parse_json, read_text
from openwafer.nn.models._config import GptConfig, LlamaConfig, ModelConfig, Rotary

MOST_BYTES = MIB
KINDS: dict[str, type[ModelConfig]] = {
    "llama": LlamaConfig,
    "qwen2": LlamaConfig,
    "qwen3": LlamaConfig,
    "gpt2": GptConfig,
}
ONLY: dict[str, tuple[Any, ...]] = {
    "use_sliding_window": (False, None),
    "quantization_config": (None,),
    "partial_rotary_factor": (None, 1, 1.0),
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False, None),
    "add_cross_attention": (False, None),
    "is_encoder_decoder": (False, None),
}
"""Fields that change what a model computes, and with which values it computes what ours do."""
FULL = "full_attention"
QWEN3_DIM = 128
"""Of a head, where the config of a Qwen3 does not say."""


def read_config(root: Path) -> ModelConfig:
    """Of the folder's `config.json`.

    Diagnostics: config-unreadable, config-unsupported, config-keys.
    """
    path = inside(root, "config.json", "config-unreadable")
    text = read_text(path, "config", "config-unreadable", MOST_BYTES)
    document = parse_json(Source(str(path), text), "config-unreadable")
    name = str(document.get("model_type"))
    if name not in KINDS:
        known = ", ".join(f"`{k}`" for k in KINDS)
        raise error(
            "config-unsupported", f"{path}: the model type `{name[:40]}` is not supported",
            help=suggest(name, KINDS) or f"supported are {known}",
        )  # fmt: skip
    return _convert(path, document, KINDS[name])


def _convert(path: Path, document: dict[str, Any], kind: type[ModelConfig]) -> ModelConfig:
    required = [f.name for f in msgspec.structs.fields(kind) if f.required]
    missing = [name for name in required if name not in document]
    if missing:
        raise error("config-keys", f"{path}: no {', '.join(f'`{m}`' for m in missing)}")
    _check_only(path, document)
    whole = document | _rotary(path, document) | _defaults(document)
    try:
        config = msgspec.convert(whole, kind)
    except msgspec.ValidationError as failure:
        raise error("config-keys", f"{path}: {_told(str(failure), whole)}") from None
    _check(path, config)
    return config


def _told(failure: str, document: dict[str, Any]) -> str:
    """What is wrong, with the key and the value that was found."""
    match = re.fullmatch(r"(.*) - at `\$\.([^`]*)`", failure)
    if match is None:
        return failure
    value: Any = document
    for part in re.findall(r"\w+", match[2]):
        value = value[int(part) if isinstance(value, list) else part]
    allowed = _words(match[2].rsplit(".", 1)[-1])
    why = f"allowed are {', '.join(allowed)}" if allowed else f"{match[1][0].lower()}{match[1][1:]}"
    return f"`{match[2]}` is `{json.dumps(value)[:60]}`: {why}"


def _words(field: str) -> tuple[str, ...]:
    """The words that a field takes; none where it takes something else."""
    for kind in (Rotary, LlamaConfig, GptConfig):
        hint = get_type_hints(kind).get(field)
        if get_origin(hint) is Literal:
            return get_args(hint)
    return ()


def _check_only(path: Path, document: dict[str, Any]) -> None:
    for name, allowed in ONLY.items():
        value = document.get(name, allowed[0])
        if not any(type(value) is type(one) and value == one for one in allowed):
            raise _unsupported(path, f"`{name}` = {json.dumps(value)[:60]}")
    kinds: Any = document.get("layer_types") or []
    other = kinds if not isinstance(kinds, list) else [k for k in cast("list[Any]", kinds) if k != FULL]
    if other:
        raise _unsupported(path, f"`layer_types` with other than `{FULL}`, {json.dumps(other)[:60]}")


def _rotary(path: Path, document: dict[str, Any]) -> dict[str, Any]:
    """`rope_parameters`, of which `rope_scaling` is the old name, with what other fields say for them."""
    given: list[Any] = [document.get(name) for name in ("rope_parameters", "rope_scaling")]
    if all(given):
        raise _unsupported(path, "`rope_scaling` beside `rope_parameters`")
    found: Any = given[0] or given[1]
    if not isinstance(found, dict):
        return {}
    table = {k: v for k, v in cast(dict[str, Any], found).items() if v is not None}
    kind = table.pop("type", "default")
    table.setdefault("rope_type", kind)
    needed = {"linear": ("factor",), "llama3": ("factor", "low_freq_factor", "high_freq_factor")}
    missing = [key for key in needed.get(str(table["rope_type"]), ()) if key not in table]
    if missing:
        raise error("config-keys", f"{path}: `{table['rope_type']}` rotation without `{missing[0]}`")
    table.setdefault("rope_theta", document.get("rope_theta", 10000.0))
    table.setdefault("original_max_position_embeddings", document.get("max_position_embeddings", 2048))
    if table["rope_type"] == "default":
        table = {k: v for k, v in table.items() if k not in ("factor", "original_max_position_embeddings")}
    return {"rope_parameters": table, "rope_scaling": None}


def _defaults(document: dict[str, Any]) -> dict[str, Any]:
    no_dim = document.get("model_type") == "qwen3" and document.get("head_dim") is None
    return {"head_dim": QWEN3_DIM} if no_dim else {}


def _check(path: Path, config: ModelConfig) -> None:
    if isinstance(config, LlamaConfig):
        _check_heads(path, config)
    elif config.n_embd % config.n_head:
        raise _wrong(path, f"{config.n_embd} features (`n_embd`) are no multiple of {config.n_head} heads")


def _check_heads(path: Path, config: LlamaConfig) -> None:
    heads, rotary = config.num_attention_heads, config.rotary
    if heads % config.kv_heads:
        raise _wrong(path, f"{heads} heads do not share {config.kv_heads} heads of keys evenly")
    if config.head_dim is None and config.hidden_size % heads:
        raise _wrong(path, f"`hidden_size` {config.hidden_size} is no multiple of {heads} heads")
    if config.dim % 2:
        raise _wrong(path, f"heads of {config.dim} features cannot turn in pairs, an even number can")
    if rotary.low_freq_factor >= rotary.high_freq_factor:
        text = f"`low_freq_factor` {rotary.low_freq_factor:g} is not below `high_freq_factor`"
        raise _wrong(path, f"{text} {rotary.high_freq_factor:g}")


def _wrong(path: Path, what: str) -> DiagnosticError:
    return error("config-keys", f"{path}: {what}")


def _unsupported(path: Path, what: str) -> DiagnosticError:
    return error("config-unsupported", f"{path}: {what} is not supported")
