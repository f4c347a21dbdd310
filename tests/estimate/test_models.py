"""Models by name and by path: their sizes, and what is wrong with a config."""

import json
from pathlib import Path
from typing import Any

import pytest

from openwafer.diag import DiagnosticError
from openwafer.estimate import count_parameters, known_models, layer_costs, load_model
from openwafer.estimate._layers import pairs

PUBLISHED = {
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.1-405b": 405_853_388_800,
    "llama-2-70b": 68_976_648_192,
    "llama-3.2-1b": 1_235_814_400,
    "qwen2.5-0.5b": 494_032_768,
    "qwen3-8b": 8_190_735_360,
    "qwen3-30b-a3b": 30_532_122_624,
    "mixtral-8x7b": 46_702_792_704,
    "gpt2": 124_439_808,
    "gpt2-xl": 1_557_611_200,
}
"""Elements in the published weights, as their repositories state them."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_sizes_of_published_weights(name: str) -> None:
    assert count_parameters(load_model(name)).total == PUBLISHED[name]


ABOUT = {
    "deepseek-v3": (671e9, 37e9),
    "gpt-oss-120b": (116.8e9, 5.1e9),
    "gpt-oss-20b": (20.9e9, 3.6e9),
    "qwen3-235b-a22b": (235e9, 22e9),
    "llama-4-maverick": (400e9, 17e9),
    "kimi-k2": (1.03e12, 32e9),
}
"""Total and active parameters as the models' cards round them."""


@pytest.mark.parametrize("name", ABOUT)
def test_active_parameters_are_as_the_cards_say(name: str) -> None:
    counted = count_parameters(load_model(name))
    total, active = ABOUT[name]
    assert counted.total == pytest.approx(total, rel=0.01)
    assert counted.active == pytest.approx(active, rel=0.06)


@pytest.mark.parametrize("name", known_models())
def test_layers_add_up_to_the_model(name: str) -> None:
    model = load_model(name)
    counted = count_parameters(model)
    rest = counted.embedding + model.hidden * model.norm_weights
    assert sum(cost.parameters for cost in layer_costs(model, 1)) + rest == counted.total


@pytest.mark.parametrize(
    "name",
    ["Llama-3.1-70B", "meta-llama/Llama-3.1-70B-Instruct", "llama3.1-70b", "LLAMA_3.1_70B"],
)
def test_spellings(name: str) -> None:
    assert load_model(name).name == "llama-3.1-70b"


def test_pairs_are_the_sum_over_the_tokens() -> None:
    for tokens in (1, 3, 8):
        for window in (1, 3, 20):
            assert pairs(tokens, window) == sum(min(i, window) for i in range(1, tokens + 1))


def test_kv_cache_of_the_70b() -> None:
    """80 layers, 8 heads of 128, keys and values: 163,840 numbers a token."""
    costs = layer_costs(load_model("llama-3.1-70b"), 1000)
    assert sum(cost.kv_elements for cost in costs) == 163_840 * 1000


def test_windows_bound_the_cache() -> None:
    costs = list(layer_costs(load_model("gpt-oss-120b"), 10_000))
    held = {cost.kv_elements for cost in costs[:-1]}
    assert held == {1024 * 128, 1024 * 10_000}


LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "intermediate_size": 96,
    "vocab_size": 100,
}


def test_a_config_by_path(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text(json.dumps(LLAMA), "utf-8")
    assert load_model(str(tmp_path / "mine")) == load_model(str(tmp_path / "mine" / "config.json"))
    assert load_model(str(tmp_path / "mine")).name == "mine"


def test_a_nested_text_config(tmp_path: Path) -> None:
    path = tmp_path / "vision.json"
    path.write_text(json.dumps({"model_type": "llava", "text_config": LLAMA}), "utf-8")
    assert load_model(str(path)).hidden == 64


QWEN_MOE = LLAMA | {
    "model_type": "qwen3_moe", "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
}  # fmt: skip


def without(name: str) -> dict[str, Any]:
    return {k: v for k, v in LLAMA.items() if k != name}


WRONG: dict[str, tuple[Any, str, str]] = {
    "syntax": ("{", "config-syntax", "JSON"),
    "not an object": ("[]", "config-syntax", "object"),
    "no family": (without("model_type"), "config-missing-field", "`model_type`"),
    "family": (LLAMA | {"model_type": "lama"}, "config-unknown-family", "`lama`"),
    "missing": (without("hidden_size"), "config-missing-field", "`hidden_size`"),
    "text": (LLAMA | {"hidden_size": "64"}, "config-bad-field", "`hidden_size`"),
    "zero": (LLAMA | {"num_hidden_layers": 0}, "config-bad-field", "`num_hidden_layers`"),
    "heads": (LLAMA | {"num_key_value_heads": 3}, "config-bad-field", "share 3 KV heads"),
    "odd": (LLAMA | {"hidden_size": 65}, "config-bad-field", "65"),
    "flag": (LLAMA | {"tie_word_embeddings": "no"}, "config-bad-field", "`tie_word_embeddings`"),
    "deep": ('{"a": ' * 50_000, "config-syntax", "nested"),
    "long": ('{"hidden_size": 1' + "0" * 5000 + "}", "config-syntax", "number too long"),
    "many layers": (LLAMA | {"num_hidden_layers": 10**8}, "config-bad-field", "from 1 to 10,000"),
    "wide": (LLAMA | {"hidden_size": 10**10}, "config-bad-field", "to 1,000,000,000"),
    "not a number": (LLAMA | {"vocab_size": float("nan")}, "config-bad-field", "found NaN"),
    "words for layers": (
        QWEN_MOE | {"mlp_only_layers": ["x"]},
        "config-bad-field",
        "`mlp_only_layers` must be a list of integers",
    ),
    "types": (LLAMA | {"layer_types": ["full_attention"]}, "config-bad-field", "1 layer_types for 2 layers"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_configs(name: str, tmp_path: Path) -> None:
    config, id, part = WRONG[name]
    path = tmp_path / "config.json"
    path.write_text(config if isinstance(config, str) else json.dumps(config, indent=1), "utf-8")
    with pytest.raises(DiagnosticError) as failure:
        load_model(str(path))
    (diagnostic,) = failure.value.diagnostics
    assert diagnostic.id == id and part in diagnostic.message and diagnostic.span


def test_an_unknown_model_is_told_with_a_suggestion() -> None:
    with pytest.raises(DiagnosticError) as failure:
        load_model("llama-3.1-7b")
    (diagnostic,) = failure.value.diagnostics
    assert diagnostic.id == "model-not-found" and diagnostic.help and "llama-3.1-" in diagnostic.help


def test_a_directory_without_a_config(tmp_path: Path) -> None:
    with pytest.raises(DiagnosticError) as failure:
        load_model(str(tmp_path))
    (diagnostic,) = failure.value.diagnostics
    assert diagnostic.id == "model-not-found" and "no `config.json`" in diagnostic.message


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b"\xff\xfe{")
    with pytest.raises(DiagnosticError) as failure:
        load_model(str(path))
    assert failure.value.diagnostics[0].id == "model-unreadable"
