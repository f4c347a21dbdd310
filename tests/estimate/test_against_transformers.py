"""Parameters, operations and KV cache against the models of `transformers`, on small configurations."""

import json
from typing import Any

import pytest

from openwafer.estimate._config import ModelConfig
from openwafer.estimate._count import count_parameters
from openwafer.estimate._layers import kv_elements, layer_costs
from openwafer.estimate._parse_config import parse_config

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

LLAMA = dict(
    hidden_size=48, num_attention_heads=6, num_key_value_heads=3, intermediate_size=80,
    num_hidden_layers=3, vocab_size=97,
)  # fmt: skip
MOE = dict(num_experts_per_tok=2, moe_intermediate_size=24)
LATENT = MOE | dict(
    q_lora_rank=20, kv_lora_rank=16, qk_nope_head_dim=8, qk_rope_head_dim=4, v_head_dim=8, n_routed_experts=8,
    n_shared_experts=2, first_k_dense_replace=1, num_key_value_heads=6, n_group=2, topk_group=1,
)  # fmt: skip

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", LLAMA),
    "llama, tied, biased, head_dim": (
        "Llama",
        LLAMA | dict(tie_word_embeddings=True, attention_bias=True, mlp_bias=True, head_dim=12),
    ),
    "mistral": ("Mistral", LLAMA | dict(sliding_window=7)),
    "qwen2": ("Qwen2", LLAMA),
    "qwen2, windows": (
        "Qwen2",
        LLAMA | dict(use_sliding_window=True, sliding_window=5, max_window_layers=1),
    ),
    "qwen3": ("Qwen3", LLAMA | dict(head_dim=8)),
    "qwen2_moe": (
        "Qwen2Moe",
        LLAMA | MOE | dict(num_experts=4, shared_expert_intermediate_size=32, decoder_sparse_step=2),
    ),
    "qwen3_moe": ("Qwen3Moe", LLAMA | MOE | dict(num_experts=4, head_dim=8, mlp_only_layers=[1])),
    "mixtral": ("Mixtral", LLAMA | dict(num_local_experts=4, num_experts_per_tok=2)),
    "gpt_oss": (
        "GptOss",
        LLAMA | dict(num_local_experts=4, num_experts_per_tok=2, head_dim=8, sliding_window=4),
    ),
    "deepseek_v3": ("DeepseekV3", LLAMA | LATENT),
    "deepseek_v3, no q rank": ("DeepseekV3", LLAMA | LATENT | dict(q_lora_rank=None)),
    "glm4_moe": (
        "Glm4Moe",
        LLAMA | MOE | dict(n_routed_experts=4, n_shared_experts=1, first_k_dense_replace=1, head_dim=8,
            use_qk_norm=True, attention_bias=True, n_group=1, topk_group=1),
    ),
    "nemotron": ("Nemotron", LLAMA | dict(head_dim=8)),
    "gpt2": ("GPT2", dict(n_embd=48, n_head=6, n_layer=3, n_positions=64, vocab_size=97)),
}  # fmt: skip


def config_and_model(kind: str, fields: dict[str, Any], device: str) -> tuple[ModelConfig, Any]:
    config = getattr(transformers, f"{kind}Config")(**fields)
    config._attn_implementation = "eager"
    head = "GPT2LMHeadModel" if kind == "GPT2" else f"{kind}ForCausalLM"
    with torch.device(device):
        model = getattr(transformers, head)(config)
    return parse_config(kind, json.dumps(config.to_dict())), model


@pytest.mark.parametrize("name", CASES)
def test_parameters(name: str) -> None:
    kind, fields = CASES[name]
    config, model = config_and_model(kind, fields, "meta")
    model.tie_weights()
    own = {id(p): p.numel() for p in model.parameters()}
    counted = count_parameters(config)
    assert counted.total == sum(own.values())
    embeddings = counted.embedding + config.hidden * config.norm_weights
    layers = sum(cost.parameters for cost in layer_costs(config, 8))
    assert layers + embeddings == counted.total


@pytest.mark.parametrize("name", ["llama", "qwen2", "qwen3", "gpt2", "nemotron"])
def test_operations(name: str) -> None:
    """torch counts whole squares of scores; a causal prompt needs the half with the diagonal."""
    from torch.utils.flop_counter import FlopCounterMode

    kind, fields = CASES[name]
    config, model = config_and_model(kind, fields, "cpu")
    tokens = 11
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(torch.zeros(1, tokens, dtype=torch.long), logits_to_keep=1)
    *layers, head = layer_costs(config, tokens)
    score = 4 * config.heads * config.head_dim
    above = len(layers) * score * (tokens * tokens - tokens * (tokens + 1) // 2)
    assert counter.get_total_flops() == sum(c.prefill_flop for c in layers) + above + head.prefill_flop
    assert _one_more(model, tokens) == sum(c.decode_flop for c in layer_costs(config, tokens + 1))


def _one_more(model: Any, tokens: int) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad():
        past = model(torch.zeros(1, tokens, dtype=torch.long), use_cache=True).past_key_values
        with (counter := FlopCounterMode(display=False)):
            model(torch.zeros(1, 1, dtype=torch.long), past_key_values=past)
    return counter.get_total_flops()


@pytest.mark.parametrize("name", ["llama", "qwen3_moe", "gpt2", "mixtral"])
def test_kv_cache(name: str) -> None:
    kind, fields = CASES[name]
    config, model = config_and_model(kind, fields, "cpu")
    with torch.no_grad():
        cache = model(torch.zeros(1, 9, dtype=torch.long), use_cache=True).past_key_values
    held = sum(layer.keys.numel() + layer.values.numel() for layer in cache.layers)
    assert held == 9 * len(config.layers) * kv_elements(config)
    assert held == sum(cost.kv_elements for cost in layer_costs(config, 9))


def test_llama4_parameters() -> None:
    fields = LLAMA | dict(
        intermediate_size_mlp=64, num_local_experts=4, num_experts_per_tok=1, head_dim=8,
        interleave_moe_layer_step=2, num_hidden_layers=4, attention_chunk_size=16,
    )  # fmt: skip
    config = transformers.Llama4TextConfig(**fields)
    with torch.device("meta"):
        model = transformers.Llama4ForCausalLM(config)
    own = sum(p.numel() for p in model.parameters())
    assert count_parameters(parse_config("l4", json.dumps(config.to_dict()))).total == own
