"""Masks of attention that are known, sliding windows among them, and soft caps: as PyTorch has them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `torch`")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from openwafer.diag import DiagnosticError  # noqa: E402
from openwafer.nn import Wafer, compile, compile_generation, compile_training  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
BATCH, SEQ, HEADS, GROUPS, DIM = 2, 9, 4, 2, 6
TOLERANCE = 1e-5
AGES = torch.arange(SEQ)[:, None] - torch.arange(SEQ)
VISIBLE: dict[str, Any] = {
    "window of 3": (AGES >= 0) & (AGES < 3),
    "window of 1": AGES == 0,
    "window on both sides": AGES.abs() < 3,
    "prefix": (AGES >= 0) | (torch.arange(SEQ) < 4),
    "blocks": torch.arange(SEQ)[:, None] // 3 == torch.arange(SEQ) // 3,
    "later ones": AGES <= 0,
}
Weigh = Callable[[Any, Any, Any], Any]


def fused(mask: Any) -> Weigh:
    return lambda q, k, v: F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)


def capped(cap: float, visible: Any = None, least: float = float("-inf")) -> Weigh:
    """As in Gemma 2."""

    def weigh(q: Any, k: Any, v: Any) -> Any:
        k, v = (z.repeat_interleave(HEADS // GROUPS, 1) for z in (k, v))
        weights = torch.tanh(torch.matmul(q, k.transpose(2, 3)) * 0.4 / cap) * cap
        if visible is not None:
            weights = weights + torch.zeros(SEQ, SEQ).masked_fill(~visible, least)
        return F.softmax(weights, -1) @ v

    return weigh


def added(visible: Any) -> Weigh:
    """With the smallest number instead of minus infinity."""

    def weigh(q: Any, k: Any, v: Any) -> Any:
        k, v = (z.repeat_interleave(HEADS // GROUPS, 1) for z in (k, v))
        mask = torch.zeros(1, 1, SEQ, SEQ).masked_fill(~visible, torch.finfo(torch.float32).min)
        return F.softmax(q @ k.transpose(2, 3) / math.sqrt(DIM) + mask, -1) @ v

    return weigh


WEIGHTS: dict[str, Weigh] = {
    **{name: fused(visible) for name, visible in VISIBLE.items()},
    "float mask": fused(torch.zeros(SEQ, SEQ).masked_fill(AGES < 0, float("-inf"))),
    "added": added(VISIBLE["window of 3"]),
    "added, causal": added(AGES >= 0),
    "soft cap": capped(1.5),
    "soft cap, causal": capped(0.7, AGES >= 0),
    "soft cap, window": capped(2.0, VISIBLE["window of 3"], -1e9),
}


class Model(nn.Module):
    def __init__(self, weigh: Weigh) -> None:
        super().__init__()
        self.q, self.out = nn.Linear(10, HEADS * DIM), nn.Linear(HEADS * DIM, 10)
        self.k, self.v = (nn.Linear(10, GROUPS * DIM) for _ in range(2))
        self.weigh = weigh

    def forward(self, x: Any) -> Any:
        q, k, v = (f(x).view(BATCH, SEQ, -1, DIM).transpose(1, 2) for f in (self.q, self.k, self.v))
        return self.out(self.weigh(q, k, v).transpose(1, 2).reshape(BATCH, SEQ, HEADS * DIM))


def error(found: Any, wanted: Any) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())


def check(name: str, shape: tuple[int, int], engine: Any) -> None:
    torch.manual_seed(0)
    model, x, y = Model(WEIGHTS[name]), torch.randn(BATCH, SEQ, 10) * 2, torch.randn(BATCH, SEQ, 10)
    step = compile_training(model, F.mse_loss, None, (x, y), Wafer("wse3", shape), engine=engine)
    found, wanted = step(x, y), F.mse_loss(model(x), y)
    wanted.backward()
    assert found == pytest.approx(wanted.item(), rel=TOLERANCE)
    largest = max(float(p.grad.abs().max()) for p in model.parameters())
    for parameter, gradient in step.gradients().items():
        wanted = dict(model.named_parameters())[parameter].grad
        off = float((gradient - wanted).abs().max())
        assert off < 2 * TOLERANCE * max(float(wanted.abs().max()), 0.01 * largest), parameter


@pytest.mark.parametrize("shape", ((3, 2), (4, 4)), ids=str)
@pytest.mark.parametrize("name", WEIGHTS)
def test_loss_and_gradients(name: str, shape: tuple[int, int]) -> None:
    check(name, shape, "numpy")


@pytest.mark.parametrize("name", ("blocks", "soft cap, window"))
def test_on_the_wafer(name: str) -> None:
    check(name, (3, 2), "fast")


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (torch.zeros(SEQ, SEQ) - AGES.abs(), "masks that hide keys"),
        (torch.stack([AGES >= 0, AGES >= -1, AGES >= 0, AGES >= 0])[None], "one for all heads"),
        (AGES > 0, "a token that sees no key"),
    ],
)
def test_other_masks_are_refused(mask: Any, words: str) -> None:
    with pytest.raises(DiagnosticError, match=words):
        compile(Model(fused(mask)), (torch.ones(BATCH, SEQ, 10),), Wafer("wse3", (2, 2)), engine="numpy")


# --- models of `transformers` ---

SIZES: dict[str, Any] = {
    "vocab_size": 29, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "sliding_window": 4,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 32, "head_dim": 8,
}  # fmt: skip


def mistral() -> Any:
    t = pytest.importorskip("transformers", reason="needs the extra `dev`")
    return t.MistralForCausalLM(t.MistralConfig(**SIZES))


def gemma2() -> Any:
    """One layer with a window, one without; soft caps of scores and logits."""
    t = pytest.importorskip("transformers", reason="needs the extra `dev`")
    config = t.Gemma2Config(
        **SIZES, attn_logit_softcapping=0.8, final_logit_softcapping=1.1, attn_implementation="eager",
        query_pre_attn_scalar=8,
    )  # fmt: skip
    return t.Gemma2ForCausalLM(config)


def with_larger_weights(make: Callable[[], Any]) -> tuple[Any, Any]:
    """So that what a token sees matters."""
    torch.manual_seed(0)
    model = make().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3 if parameter.dim() > 1 else 1)
    return model, torch.randint(3, 29, (1, 9))


@pytest.mark.parametrize("make", (mistral, gemma2))
def test_models_of_transformers(make: Callable[[], Any]) -> None:
    model, ids = with_larger_weights(make)
    found = compile(model, (ids,), Wafer("wse3", (4, 4)), engine="numpy")(ids)[0]
    with torch.no_grad():
        wanted = model(ids, use_cache=False)[0]
        assert error(make_without_window(make)(ids, use_cache=False)[0], wanted) > 1e-2
    assert error(found, wanted) < TOLERANCE


def make_without_window(make: Callable[[], Any]) -> Any:
    sizes = SIZES["sliding_window"]
    SIZES["sliding_window"] = 100
    try:
        return with_larger_weights(make)[0]
    finally:
        SIZES["sliding_window"] = sizes


@pytest.mark.parametrize("make", (mistral, gemma2))
def test_generation(make: Callable[[], Any]) -> None:
    """Past the window, token by token."""
    model, ids = with_larger_weights(make)
    generator = compile_generation(model, 24, Wafer("wse3", (3, 2)), prefill=4, engine="numpy")
    found, text = list(generator.generate(ids[0].tolist(), 12)), ids
    with torch.no_grad():
        for _ in range(12):
            text = torch.cat((text, model(text, use_cache=False)[0][:, -1:].argmax(-1)), 1)
    assert found == text[0, 9:].tolist()
