"""Models on meshes that divide nothing evenly: outputs, gradients and training as PyTorch has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `torch`")

from torch.nn import functional as F  # noqa: E402
from torch_models import Gpt, Llama, Mlp, Residual, next_token_loss  # noqa: E402

from openwafer.nn import Wafer, compile, compile_training  # noqa: E402

pytestmark = pytest.mark.torch
MESHES = ((1, 1), (3, 2), (4, 4))
TOLERANCE = 1e-5
"""Sums of some hundred products in f32, in another order than PyTorch's."""


def tokens(seed: int, vocabulary: int = 13) -> Any:
    return torch.randint(0, vocabulary, (2, 7), generator=torch.Generator().manual_seed(seed))


def numbers(*shape: int) -> Any:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


Make = Callable[[], Any]
MODELS: dict[str, tuple[Make, tuple[Any, ...], Any, Any]] = {
    "mlp": (Mlp, (numbers(6, 2, 5),), torch.tensor([0, 2, 1, 0, 1, 2]), F.cross_entropy),
    "residual": (Residual, (numbers(5, 7),), numbers(5, 7).flip(0), F.mse_loss),
    "llama": (Llama, (tokens(1),), tokens(2), next_token_loss),
    "grouped heads, head norms": (
        lambda: Llama(kv_heads=1, head_norm=True, layers=2), (tokens(1),), tokens(2), next_token_loss,
    ),
    "gpt": (Gpt, (tokens(1),), tokens(2), next_token_loss),
}  # fmt: skip


def make(name: str) -> tuple[Any, tuple[Any, ...], Any, Any]:
    torch.manual_seed(0)
    build, *rest = MODELS[name]
    return build(), *rest


def error(found: Any, wanted: Any) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())


def check_forward(name: str, shape: tuple[int, int], engine: Any) -> None:
    model, inputs, *_ = make(name)
    compiled = compile(model, inputs, Wafer("wse3", shape), engine=engine)
    assert error(compiled(*inputs), model(*inputs).detach()) < TOLERANCE


def check_gradients(name: str, shape: tuple[int, int], engine: Any) -> None:
    model, inputs, target, loss = make(name)
    step = compile_training(model, loss, None, (*inputs, target), Wafer("wse3", shape), engine=engine)
    found = step(*inputs, target)
    wanted = loss(model(*inputs), target)
    wanted.backward()
    assert found == pytest.approx(wanted.item(), rel=TOLERANCE)
    gradients = step.gradients()
    named = dict(model.named_parameters(remove_duplicate=False))
    assert {id(named[n]) for n in gradients} == {id(p) for p in model.parameters()}
    for parameter, gradient in gradients.items():
        assert error(gradient, named[parameter].grad) < 2 * TOLERANCE, parameter


@pytest.mark.parametrize("shape", MESHES, ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_forward_by_definition(name: str, shape: tuple[int, int]) -> None:
    check_forward(name, shape, "numpy")


@pytest.mark.parametrize("shape", MESHES, ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_gradients_by_definition(name: str, shape: tuple[int, int]) -> None:
    check_gradients(name, shape, "numpy")


@pytest.mark.parametrize("name", MODELS)
def test_gradients_on_the_wafer(name: str) -> None:
    check_gradients(name, (3, 2), "fast")


def test_forward_on_the_reference_engine() -> None:
    check_forward("mlp", (2, 2), "reference")


OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.01),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.1),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_follows_pytorch(optimizer: str) -> None:
    """Losses of five steps, with a learning rate that changes, and the weights in the end."""
    ours, inputs, target, loss = make("mlp")
    theirs, *_ = make("mlp")
    ours_optimizer, theirs_optimizer = (OPTIMIZERS[optimizer](m.parameters()) for m in (ours, theirs))
    step = compile_training(
        ours, loss, ours_optimizer, (*inputs, target), Wafer("wse3", (3, 2)), engine="numpy"
    )
    for i in range(5):
        for o in (ours_optimizer, theirs_optimizer):
            o.param_groups[0]["lr"] *= 0.9
        theirs_optimizer.zero_grad()
        wanted = loss(theirs(*inputs), target)
        wanted.backward()
        theirs_optimizer.step()
        assert step(*inputs, target) == pytest.approx(wanted.item(), rel=1e-5), i
    step.sync()
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert error(a.detach(), b.detach()) < 1e-4, name


def test_training_on_the_wafer() -> None:
    ours, inputs, target, loss = make("llama")
    theirs, *_ = make("llama")
    adamw = OPTIMIZERS["adamw"]
    step = compile_training(ours, loss, adamw(ours.parameters()), (*inputs, target), Wafer("wse3", (3, 2)))
    optimizer = adamw(theirs.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        wanted = loss(theirs(*inputs), target)
        wanted.backward()
        optimizer.step()
        assert step(*inputs, target) == pytest.approx(wanted.item(), rel=1e-4)
