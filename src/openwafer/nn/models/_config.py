"""`config.json` of the models that can be loaded."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import msgspec

from openwafer.diag import DiagnosticError, error, suggest


class Rotary(msgspec.Struct, frozen=True):
    """How fast heads turn with the position; `llama3` slows down the slow half for longer texts."""

    rope_theta: float = 10000.0
    rope_type: Literal["default", "linear", "llama3"] = "default"
    factor: float = 1.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_max_position_embeddings: int = 8192

    def frequencies(self, dim: int) -> list[float]:
        """Radians a position, of the `dim` / 2 pairs of a head."""
        plain = [self.rope_theta ** (-2 * i / dim) for i in range(dim // 2)]
        match self.rope_type:
            case "default":
                return plain
            case "linear":
                return [f / self.factor for f in plain]
            case "llama3":
                return [self._slowed(f) for f in plain]

    def _slowed(self, frequency: float) -> float:
        turns = self.original_max_position_embeddings * frequency / (2 * math.pi)
        share = (turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor)
        kept = min(max(share, 0.0), 1.0)
        return frequency * (kept + (1 - kept) / self.factor)


class LlamaConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Llama, Qwen2 and Qwen3."""

    model_type: Literal["llama", "qwen2", "qwen3"] = "llama"
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    max_position_embeddings: int = 2048
    rms_norm_eps: float = 1e-6
    hidden_act: Literal["silu"] = "silu"
    attention_bias: bool = False
    mlp_bias: bool = False
    tie_word_embeddings: bool = False
    use_sliding_window: bool = False
    rope_parameters: Rotary | None = None
    rope_theta: float = 10000.0
    rope_scaling: Rotary | None = None
    eos_token_id: int | list[int] | None = None

    @property
    def width(self) -> int:
        """Features of a token."""
        return self.hidden_size

    @property
    def dim(self) -> int:
        """Features of a head."""
        return self.head_dim or self.hidden_size // self.num_attention_heads

    @property
    def kv_heads(self) -> int:
        return self.num_key_value_heads or self.num_attention_heads

    @property
    def has_qkv_bias(self) -> bool:
        return self.model_type == "qwen2" or self.attention_bias

    @property
    def rotary(self) -> Rotary:
        if self.rope_parameters is not None:
            return self.rope_parameters
        scaling = self.rope_scaling or Rotary()
        return msgspec.structs.replace(scaling, rope_theta=self.rope_theta)

    @property
    def positions(self) -> int:
        """Tokens of the longest text."""
        return self.max_position_embeddings


class GptConfig(msgspec.Struct, frozen=True, kw_only=True):
    """GPT-2."""

    model_type: Literal["gpt2"] = "gpt2"
    vocab_size: int
    n_embd: int
    n_layer: int
    n_head: int
    n_positions: int = 1024
    n_inner: int | None = None
    activation_function: Literal["gelu_new", "gelu", "relu"] = "gelu_new"
    layer_norm_epsilon: float = 1e-5
    tie_word_embeddings: bool = True
    eos_token_id: int | list[int] | None = None

    @property
    def width(self) -> int:
        """Features of a token."""
        return self.n_embd

    @property
    def positions(self) -> int:
        """Tokens of the longest text."""
        return self.n_positions


ModelConfig = LlamaConfig | GptConfig
KINDS: dict[str, type[ModelConfig]] = {
    "llama": LlamaConfig,
    "qwen2": LlamaConfig,
    "qwen3": LlamaConfig,
    "gpt2": GptConfig,
}


def read_config(path: Path) -> ModelConfig:
    """Diagnostics: config-unreadable, config-unsupported, config-keys."""
    try:
        document: dict[str, Any] = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError) as failure:
        raise error("config-unreadable", f"{path}: {failure}") from failure
    name = str(document.get("model_type"))
    if name not in KINDS:
        known = ", ".join(f"`{k}`" for k in KINDS)
        raise error(
            "config-unsupported", f"{path}: the model type `{name}` is not supported",
            help=suggest(name, KINDS) or f"supported are {known}",
        )  # fmt: skip
    return _convert(path, document, KINDS[name])


def _convert(path: Path, document: dict[str, Any], kind: type[ModelConfig]) -> ModelConfig:
    required = [f.name for f in msgspec.structs.fields(kind) if f.required]
    missing = [name for name in required if name not in document]
    if missing:
        raise error("config-keys", f"{path}: no {', '.join(f'`{m}`' for m in missing)}")
    scaling = document.get("rope_scaling")
    if isinstance(scaling, dict) and "type" in scaling:
        document["rope_scaling"] = {"rope_type": scaling["type"], **scaling}
    try:
        config = msgspec.convert(document, kind)
    except msgspec.ValidationError as failure:
        raise error("config-keys", f"{path}: {failure}") from failure
    _check(path, config)
    return config


def _check(path: Path, config: ModelConfig) -> None:
    if isinstance(config, LlamaConfig):
        if config.use_sliding_window:
            raise _unsupported(path, "`use_sliding_window`")
        if config.num_attention_heads % config.kv_heads:
            heads = f"{config.num_attention_heads} heads do not share {config.kv_heads} heads of keys evenly"
            raise error("config-keys", f"{path}: {heads}")


def _unsupported(path: Path, what: str) -> DiagnosticError:
    return error("config-unsupported", f"{path}: {what} is not supported")
