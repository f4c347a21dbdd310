"""Models of the library `transformers`, given to the compiler as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `torch`")
t = pytest.importorskip("transformers", reason="needs the extra `dev`")

from openwafer.nn import Wafer, compile, compile_generation  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
SIZES: dict[str, Any] = {
    "vocab_size": 29, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "max_position_embeddings": 32,
}  # fmt: skip
GROUPED: dict[str, Any] = {**SIZES, "num_key_value_heads": 2}
GPT2: dict[str, Any] = {"vocab_size": 29, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 32}
OPT: dict[str, Any] = {
    "vocab_size": 29, "hidden_size": 32, "ffn_dim": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "max_position_embeddings": 32, "word_embed_proj_dim": 32,
}  # fmt: skip
MODELS: dict[str, Callable[[], Any]] = {
    "llama": lambda: t.LlamaForCausalLM(t.LlamaConfig(**GROUPED)),
    "qwen3": lambda: t.Qwen3ForCausalLM(t.Qwen3Config(**GROUPED, head_dim=8)),
    "olmo": lambda: t.OlmoForCausalLM(t.OlmoConfig(**GROUPED)),
    "gpt2": lambda: t.GPT2LMHeadModel(t.GPT2Config(**GPT2)),
    "opt": lambda: t.OPTForCausalLM(t.OPTConfig(**OPT)),
    "bert": lambda: t.BertModel(t.BertConfig(**SIZES), add_pooling_layer=False),
}


def make(kind: str) -> tuple[Any, Any]:
    torch.manual_seed(0)
    return MODELS[kind]().eval(), torch.randint(3, 29, (1, 9))


@pytest.mark.parametrize("kind", MODELS)
def test_results_have_their_own_type(kind: str) -> None:
    model, ids = make(kind)
    had_cache = model.config.use_cache
    found = compile(model, (ids,), Wafer("wse3", (4, 4)), engine="numpy")(ids)
    assert model.config.use_cache is had_cache
    with torch.no_grad():
        wanted = model(ids, use_cache=False) if had_cache else model(ids)
    assert type(found) is type(wanted)
    assert float((found[0] - wanted[0]).abs().max() / wanted[0].abs().max()) < 1e-5


def test_generation() -> None:
    model, ids = make("llama")
    generator = compile_generation(model, 24, Wafer("wse3", (4, 4)), engine="numpy")
    wanted = model.generate(ids, max_new_tokens=12, min_new_tokens=12, do_sample=False, pad_token_id=0)
    assert list(generator.generate(ids[0].tolist(), 12)) == wanted[0, ids.shape[1] :].tolist()
