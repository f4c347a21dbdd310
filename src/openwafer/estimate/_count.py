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
    return (
        biases + out + (2 * model.head_dim if model.head_norms else 0) + (model.heads if model.sinks else 0)
    )


def mlp_matrices(model: ModelConfig, width: int) -> int:
    """Elements of the matrices of an MLP of `width`."""
    return model.mlp_matrices * model.hidden * width


def _mlp_biases(model: ModelConfig, width: int) -> int:
    return (model.mlp_matrices - 1) * width + model.hidden if model.mlp_bias else 0


def router_matrix(model: ModelConfig, layer: Layer) -> int:
    """The router of a layer, and the gate of its shared expert where there is one."""
    gate = model.hidden if model.family == "qwen2_moe" and model.shared_mlp else 0
    return model.hidden * layer.experts + gate if layer.experts else 0


def attention_parameters(model: ModelConfig) -> int:
    """Of one layer's attention, biases and inner norms included."""
    return attention_matrices(model) + _attention_rest(model)


def mlp_parameters(model: ModelConfig, layer: Layer) -> tuple[int, int]:
    """Of one layer: its dense or shared MLP, and one of its experts (0 where it has none)."""
    if not layer.experts:
        return mlp_matrices(model, model.mlp) + _mlp_biases(model, model.mlp), 0
    one = mlp_matrices(model, model.expert_mlp) + _mlp_biases(model, model.expert_mlp)
    return mlp_matrices(model, model.shared_mlp), one


def router_parameters(model: ModelConfig, layer: Layer) -> int:
    return router_matrix(model, layer) + layer.experts * model.router_bias


def layer_norms(model: ModelConfig) -> int:
    """The two norms of a layer."""
    return 2 * model.hidden * model.norm_weights


def layer_parameters(model: ModelConfig, layer: Layer) -> int:
    """Everything that one layer stores."""
    dense, expert = mlp_parameters(model, layer)
    rest = router_parameters(model, layer) + layer_norms(model)
    return attention_parameters(model) + dense + layer.experts * expert + rest


def count_parameters(model: ModelConfig) -> Parameters:
    """Counts as the published implementations have them (buffers and multi-token heads not counted)."""
    layers = model.layers
    each = [mlp_parameters(model, layer) for layer in layers]
    attention = len(layers) * attention_parameters(model)
    mlp = sum(dense for dense, _ in each)
    experts = sum(layer.experts * expert for layer, (_, expert) in zip(layers, each, strict=True))
    chosen = sum(model.experts_per_token * expert for _, expert in each)
    router = sum(router_parameters(model, layer) for layer in layers)
    norms = len(layers) * layer_norms(model) + model.hidden * model.norm_weights
    embedding = (model.vocab + model.positions) * model.hidden
    head = model.vocab * model.hidden
    total = embedding + (0 if model.tied else head) + attention + mlp + experts + router + norms
    active = head + attention + mlp + chosen + router + norms
    return Parameters(
        total=total, active=active, embedding=embedding, head=head, attention=attention,
        mlp=mlp, experts=experts, router=router, norms=norms,
    )  # fmt: skip
