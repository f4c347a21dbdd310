"""What a `config.json` says, for the models that can be loaded."""

from __future__ import annotations

import math
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

Layers: TypeAlias = Annotated[int, Meta(ge=1, le=4096)]
Size: TypeAlias = Annotated[int, Meta(ge=1, le=2**20)]
"""Features, heads."""
Tokens: TypeAlias = Annotated[int, Meta(ge=1, le=2**24)]
Epsilon: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Factor: TypeAlias = Annotated[float, Meta(gt=0, le=1e12)]
Token: TypeAlias = Annotated[int, Meta(ge=-(2**31), lt=2**31)]


class Rotary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How fast heads turn with the position; `llama3` slows down the slow half for longer texts."""

    rope_theta: Factor = 10000.0
    rope_type: Literal["default", "linear", "llama3"] = "default"
    factor: Factor = 1.0
    low_freq_factor: Factor = 1.0
    high_freq_factor: Factor = 4.0
    original_max_position_embeddings: Tokens = 8192

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
    vocab_size: Tokens
    hidden_size: Size
    intermediate_size: Size
    num_hidden_layers: Layers
    num_attention_heads: Size
    num_key_value_heads: Size | None = None
    head_dim: Size | None = None
    max_position_embeddings: Tokens = 2048
    rms_norm_eps: Epsilon = 1e-6
    hidden_act: Literal["silu"] = "silu"
    attention_bias: bool = False
    mlp_bias: bool = False
    tie_word_embeddings: bool = False
    rope_parameters: Rotary | None = None
    rope_theta: Factor = 10000.0
    rope_scaling: Rotary | None = None
    eos_token_id: Token | list[Token] | None = None

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
    vocab_size: Tokens
    n_embd: Size
    n_layer: Layers
    n_head: Size
    n_positions: Tokens = 1024
    n_inner: Size | None = None
    activation_function: Literal["gelu_new", "gelu", "relu"] = "gelu_new"
    layer_norm_epsilon: Epsilon = 1e-5
    tie_word_embeddings: bool = True
    eos_token_id: Token | list[Token] | None = None

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
