"""Parameters, exactly, by part of the model."""

from __future__ import annotations

from dataclasses import dataclass

from openwafer.estimate._config import Layer, ModelConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Counts of one model. `active` are those that one token uses, the input embedding not among them."""

    total: int
    active: int
    embedding: int
    head: int
    attention: int
    mlp: int
    experts: int
    router: int
    norms: int


def attention_matrices(model: ModelConfig) -> int:
    """Elements of the matrices of one layer's attention."""
    if model.attention == "latent":
        into = model.q_rank if model.q_rank else model.hidden
        queries = model.hidden * model.q_rank + into * model.heads * model.head_dim
        nope = model.head_dim - model.rope_dim
        keys = model.hidden * (model.kv_rank + model.rope_dim)
        values = model.kv_rank * model.heads * (nope + model.value_dim)
        return queries + keys + values + model.heads * model.value_dim * model.hidden
    width = 2 * model.heads + 2 * model.kv_heads
    return model.hidden * width * model.head_dim


def _attention_rest(model: ModelConfig) -> int:
    """Biases, sinks and norms inside the attention of one layer."""
    if model.attention == "latent":
        return model.q_rank + model.kv_rank
    biases = (model.heads + 2 * model.kv_heads) * model.head_dim if model.qkv_bias else 0
    out = model.hidden if model.out_bias else 0
    return biases + out + (2 * model.head_dim if model.head_norms else 0) + (model.heads if model.sinks else 0)


def mlp_matrices(model: ModelConfig, width: int) -> int:
    """Elements of the matrices of an MLP of `width`."""
    return model.mlp_matrices * model.hidden * width


def _mlp_biases(model: ModelConfig, width: int) -> int:
    return (model.mlp_matrices - 1) * width + model.hidden if model.mlp_bias else 0


def router_matrix(model: ModelConfig, layer: Layer) -> int:
    """The router of a layer, and the gate of its shared expert where there is one."""
    gate = model.hidden if model.family == "qwen2_moe" and model.shared_mlp else 0
    return model.hidden * layer.experts + gate if layer.experts else 0


def count_parameters(model: ModelConfig) -> Parameters:
    """Counts as the published implementations have them (buffers and multi-token heads not counted)."""
    layers, sparse = len(model.layers), sum(1 for layer in model.layers if layer.experts)
    attention = layers * (attention_matrices(model) + _attention_rest(model))
    one_mlp = mlp_matrices(model, model.mlp) + _mlp_biases(model, model.mlp)
    mlp = (layers - sparse) * one_mlp + sparse * mlp_matrices(model, model.shared_mlp)
    one_expert = mlp_matrices(model, model.expert_mlp) + _mlp_biases(model, model.expert_mlp)
    experts = sum(layer.experts for layer in model.layers) * one_expert
    router = sum(router_matrix(model, layer) + layer.experts * model.router_bias for layer in model.layers)
    norms = (2 * layers + 1) * model.hidden * model.norm_weights
    embedding = (model.vocab + model.positions) * model.hidden
    head = model.vocab * model.hidden
    total = embedding + (0 if model.tied else head) + attention + mlp + experts + router + norms
    active = head + attention + mlp + sparse * model.experts_per_token * one_expert + router + norms
    return Parameters(
        total=total, active=active, embedding=embedding, head=head, attention=attention,
        mlp=mlp, experts=experts, router=router, norms=norms,
    )  # fmt: skip
