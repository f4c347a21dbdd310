"""Families of models: how each spells its shape in `config.json`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from openwafer.estimate._config import Layer, ModelConfig
from openwafer.estimate._read_config import Reader

Family: TypeAlias = Callable[[Reader], ModelConfig]
FAMILIES: dict[str, Family] = {}


def _family(*names: str) -> Callable[[Family], Family]:
    def add(function: Family) -> Family:
        FAMILIES.update(dict.fromkeys(names, function))
        return function

    return add


def _common(read: Reader) -> dict[str, Any]:
    """What Llama and all that descend from it share."""
    hidden, heads = read.whole("hidden_size"), read.whole("num_attention_heads")
    kv_heads = read.whole("num_key_value_heads", default=heads)
    read.require(
        heads % kv_heads == 0, "num_key_value_heads", f"{heads} heads do not share {kv_heads} KV heads"
    )
    whole = "head_dim" in read.document or hidden % heads == 0
    read.require(whole, "num_attention_heads", f"hidden_size {hidden} is not a multiple of {heads} heads")
    biased = read.flag("attention_bias", False)
    return {
        "name": read.name,
        "family": read.family,
        "hidden": hidden,
        "vocab": read.whole("vocab_size"),
        "heads": heads,
        "kv_heads": kv_heads,
        "head_dim": read.whole("head_dim", default=hidden // heads),
        "mlp": read.whole("intermediate_size"),
        "mlp_matrices": 3,
        "tied": read.flag("tie_word_embeddings", False),
        "context": read.whole("max_position_embeddings", default=2048),
        "qkv_bias": biased,
        "out_bias": biased,
        "stored": read.stored(),
    }


def _plain_layers(read: Reader, experts: int = 0) -> tuple[Layer, ...]:
    """All alike, but for the windows of `layer_types`."""
    count = read.layers("num_hidden_layers")
    types = read.names("layer_types")
    sliding = [kind == "sliding_attention" for kind in types] or [False] * count
    text = f"{len(types)} layer_types for {count} layers"
    read.require(len(sliding) == count, "layer_types", text)
    window = (
        read.whole("sliding_window", default=0, least=0) if any(sliding) or read.family == "mistral" else 0
    )
    if not types:
        sliding = [window > 0] * count
    return tuple(Layer(experts=experts, window=window if slides else 0) for slides in sliding)


@_family("llama", "mistral")
def _llama(read: Reader) -> ModelConfig:
    mlp_bias = read.flag("mlp_bias", False)
    return ModelConfig(**_common(read), layers=_plain_layers(read), mlp_bias=mlp_bias)


@_family("nemotron")
def _nemotron(read: Reader) -> ModelConfig:
    """Squared ReLU, so two matrices; layer norms with a bias."""
    fields: dict[str, Any] = _common(read) | {"mlp_matrices": 2, "norm_weights": 2}
    return ModelConfig(**fields, layers=_plain_layers(read), mlp_bias=read.flag("mlp_bias", False))


@_family("qwen2")
def _qwen2(read: Reader) -> ModelConfig:
    fields: dict[str, Any] = _common(read) | {"qkv_bias": True, "out_bias": False}
    return ModelConfig(**fields, layers=_plain_layers(read))


@_family("qwen3")
def _qwen3(read: Reader) -> ModelConfig:
    return ModelConfig(**_common(read), layers=_plain_layers(read), head_norms=True)


@_family("mixtral")
def _mixtral(read: Reader) -> ModelConfig:
    fields: dict[str, Any] = _common(read)
    experts, chosen = _experts(read, "num_local_experts")
    return ModelConfig(
        **fields,
        layers=_plain_layers(read, experts),
        expert_mlp=fields["mlp"],
        experts_per_token=chosen,
    )


@_family("gpt_oss")
def _gpt_oss(read: Reader) -> ModelConfig:
    fields: dict[str, Any] = _common(read)
    experts, chosen = _experts(read, "num_local_experts")
    return ModelConfig(
        **fields,
        layers=_plain_layers(read, experts),
        expert_mlp=fields["mlp"],
        experts_per_token=chosen,
        mlp_bias=True,
        router_bias=True,
        sinks=True,
    )


@_family("qwen3_moe", "qwen2_moe")
def _qwen3_moe(read: Reader) -> ModelConfig:
    """Every `decoder_sparse_step`-th layer has experts, but those of `mlp_only_layers`."""
    count, step = read.layers("num_hidden_layers"), read.whole("decoder_sparse_step", default=1)
    experts, chosen = _experts(read, "num_experts")
    dense = read.indices("mlp_only_layers")
    sparse = [i not in dense and (i + 1) % step == 0 for i in range(count)]
    qwen2 = read.family == "qwen2_moe"
    fields: dict[str, Any] = _common(read)
    fields["qkv_bias"] = fields["qkv_bias"] or qwen2
    return ModelConfig(
        **fields,
        layers=tuple(Layer(experts=experts if is_sparse else 0, window=0) for is_sparse in sparse),
        expert_mlp=read.whole("moe_intermediate_size"),
        experts_per_token=chosen,
        shared_mlp=read.whole("shared_expert_intermediate_size", default=0, least=0),
        head_norms=not qwen2,
    )


@_family("llama4", "llama4_text")
def _llama4(read: Reader) -> ModelConfig:
    """Every `interleave_moe_layer_step`-th layer has experts and a shared one; three of four see a chunk.

    A chunk is taken as a window: it holds half as many tokens on average, and as many at most.
    """
    count, step = read.layers("num_hidden_layers"), read.whole("interleave_moe_layer_step", default=1)
    experts, chosen = _experts(read, "num_local_experts")
    chunk = read.whole("attention_chunk_size", default=0, least=0)
    width = read.whole("intermediate_size")
    fields: dict[str, Any] = _common(read) | {"mlp": read.whole("intermediate_size_mlp")}
    return ModelConfig(
        **fields,
        layers=tuple(
            Layer(experts=experts if (i + 1) % step == 0 else 0, window=0 if (i + 1) % 4 == 0 else chunk)
            for i in range(count)
        ),
        expert_mlp=width,
        experts_per_token=chosen,
        shared_mlp=width,
    )


@_family("glm4_moe")
def _glm4_moe(read: Reader) -> ModelConfig:
    fields: dict[str, Any] = _common(read) | {"out_bias": False}
    return ModelConfig(**fields, **_routed(read), head_norms=read.flag("use_qk_norm", False))


@_family("deepseek_v3", "deepseek_v2", "kimi_k2")
def _deepseek(read: Reader) -> ModelConfig:
    nope, rope = read.whole("qk_nope_head_dim"), read.whole("qk_rope_head_dim")
    fields: dict[str, Any] = _common(read) | {"head_dim": nope + rope}
    return ModelConfig(
        **fields,
        **_routed(read),
        attention="latent",
        q_rank=read.whole("q_lora_rank", default=0, least=0),
        kv_rank=read.whole("kv_lora_rank"),
        rope_dim=rope,
        value_dim=read.whole("v_head_dim"),
    )


def _routed(read: Reader) -> dict[str, Any]:
    """Dense layers first, then layers with routed and shared experts."""
    count, dense = read.layers("num_hidden_layers"), read.whole("first_k_dense_replace", default=0, least=0)
    read.require(dense <= count, "first_k_dense_replace", f"{dense} dense layers of {count}")
    experts, chosen = _experts(read, "n_routed_experts")
    mlp = read.whole("moe_intermediate_size")
    return {
        "layers": tuple(Layer(experts=experts if i >= dense else 0, window=0) for i in range(count)),
        "expert_mlp": mlp,
        "experts_per_token": chosen,
        "shared_mlp": mlp * read.whole("n_shared_experts", default=0, least=0),
    }


@_family("gpt2")
def _gpt2(read: Reader) -> ModelConfig:
    hidden, heads = read.whole("n_embd"), read.whole("n_head")
    read.require(hidden % heads == 0, "n_head", f"n_embd {hidden} is not a multiple of {heads} heads")
    positions = read.whole("n_positions", "n_ctx")
    return ModelConfig(
        name=read.name,
        family=read.family,
        hidden=hidden,
        vocab=read.whole("vocab_size"),
        heads=heads,
        kv_heads=heads,
        head_dim=hidden // heads,
        layers=(Layer(experts=0, window=0),) * read.layers("n_layer"),
        mlp=read.whole("n_inner", default=4 * hidden),
        mlp_matrices=2,
        tied=read.flag("tie_word_embeddings", True),
        context=positions,
        positions=positions,
        qkv_bias=True,
        out_bias=True,
        mlp_bias=True,
        norm_weights=2,
        stored=read.stored(),
    )


def _experts(read: Reader, name: str) -> tuple[int, int]:
    """Experts a layer, and how many a token uses; the field's name also depends on who wrote the file."""
    known = (name, "num_experts", "num_local_experts", "n_routed_experts")
    experts, chosen = read.whole(*known), read.whole("num_experts_per_tok")
    text = f"{chosen} experts a token of {experts}"
    read.require(chosen <= experts, "num_experts_per_tok", text)
    return experts, chosen
