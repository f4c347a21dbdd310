"""Texts continued with keys and values in PE memory are those of the whole model run again for every
token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `torch`")

from torch_models import Gpt, Llama, Mlp  # noqa: E402

from openwafer.diag import DiagnosticError  # noqa: E402
from openwafer.nn import Wafer, compile_generation  # noqa: E402
from openwafer.nn._sampling import sampling  # noqa: E402
from openwafer.nn.capture._rotary import frequencies  # noqa: E402

pytestmark = pytest.mark.torch
CONTEXT = 24
PROMPT = [1, 5, 3, 7, 2, 9, 4, 8, 1, 2, 3]
MODELS: dict[str, Callable[[], Any]] = {
    "llama": lambda: Llama(layers=2, kv_heads=1, head_norm=True),
    "gpt": lambda: Gpt(positions=CONTEXT),
}


def make(name: str) -> Any:
    """With weights so large that the text does not repeat itself."""
    torch.manual_seed(0)
    model = MODELS[name]()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
    return model


def continued(model: Any, prompt: list[int], count: int) -> list[int]:
    """Without any cache."""
    text = list(prompt)
    with torch.no_grad():
        for _ in range(count):
            text.append(int(model(torch.tensor([text]))[0, -1].argmax()))
    return text[len(prompt) :]


@pytest.mark.parametrize("shape", ((1, 1), (3, 2), (5, 4)), ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_greedy_by_definition(name: str, shape: tuple[int, int]) -> None:
    model = make(name)
    wanted = continued(model, PROMPT, 12)
    assert len(set(wanted)) > 3
    generator = compile_generation(model, CONTEXT, Wafer("wse3", shape), prefill=8, engine="numpy")
    assert list(generator.generate(PROMPT, 12)) == wanted
    generator.reset()
    assert list(generator.generate(PROMPT[:3], 5)) == continued(model, PROMPT[:3], 5)


@pytest.mark.parametrize("name", MODELS)
def test_greedy_on_the_wafer(name: str) -> None:
    model = make(name)
    generator = compile_generation(model, CONTEXT, Wafer("wse3", (3, 2)), prefill=8)
    assert list(generator.generate(PROMPT, 12)) == continued(model, PROMPT, 12)


def test_a_prompt_that_fills_the_context() -> None:
    """The padding of the last piece lies beyond the caches."""
    model = make("llama")
    prompt = [(7 * i) % 19 for i in range(CONTEXT)]
    generator = compile_generation(model, CONTEXT, Wafer("wse3", (3, 2)), prefill=16)
    wanted = model(torch.tensor([prompt]))[0, -1].detach().numpy()
    assert np.abs(generator.feed(prompt) - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_both_entries_share_weights_and_caches() -> None:
    program = compile_generation(make("llama"), CONTEXT, Wafer("wse3", (3, 2))).session.program
    weights = [b.weight for b in program.buffers if b.kind == "weight"]
    assert len(weights) == len(set(weights))
    assert sum(b.kind == "cache" for b in program.buffers) == 4


def test_full_context() -> None:
    generator = compile_generation(make("gpt"), CONTEXT, Wafer("wse3", (1, 1)), engine="numpy")
    generator.feed([1] * CONTEXT)
    with pytest.raises(DiagnosticError, match="context-full"):
        generator.feed([1])


def test_a_model_without_attention() -> None:
    with pytest.raises(DiagnosticError):
        compile_generation(Mlp(), 10)


def test_sampling_follows_the_probabilities() -> None:
    logits = np.log(np.array([0.5, 0.3, 0.2], np.float32))
    choose = sampling(1.0, seed=3)
    counts = np.bincount([choose(logits) for _ in range(2000)], minlength=3) / 2000
    assert np.abs(counts - [0.5, 0.3, 0.2]).max() < 4 * np.sqrt(0.25 / 2000)
    only_two = sampling(0.5, top_k=2)
    assert {only_two(logits) for _ in range(200)} == {0, 1}


@pytest.mark.parametrize("positions", (1, 2, 3, 16, 100, 1024))
def test_frequencies_from_tables(positions: int) -> None:
    wanted = (10000.0 ** -(np.arange(8) / 8)).astype(np.float32)
    angle = wanted[:, None] * np.arange(positions, dtype=np.float32)
    found = frequencies(np.cos(angle), np.sin(angle))
    if positions > 1:
        assert np.abs(found / wanted - 1).max() < 2e-7 * max(1, 200 / positions)


def test_tables_that_are_not_rotations() -> None:
    angle = np.arange(16, dtype=np.float32)[None] * np.ones((4, 1), np.float32)
    with pytest.raises(DiagnosticError, match="rotary-tables"):
        frequencies(0.9 * np.cos(angle), 0.9 * np.sin(angle))
