"""Every function that users call gives PyTorch's results and gradients; docs/operators.md lists them all."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `torch`")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from openwafer.nn import Wafer, compile, compile_training  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
BATCH, SEQ, WIDTH = 2, 5, 12
Function = Callable[[Any, Any], Any]


class Model(nn.Module):
    """A function of x [batch, seq, width] behind a linear layer, with parameters that it may use."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.row, self.number = nn.Parameter(torch.rand(WIDTH)), nn.Parameter(torch.rand(1))
        self.matrix = nn.Parameter(torch.rand(WIDTH, 3, 4))
        self.conv, self.prelu = nn.Conv1d(WIDTH, 4, 1), nn.PReLU(WIDTH)
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(self, x)


def behind(function: Callable[[Any], Any]) -> Function:
    """Of one activation."""
    return lambda m, x: function(m.first(x))


def attention(m: Any, x: Any) -> Any:
    q, k = (layer(x).view(BATCH, SEQ, 3, 4) for layer in (m.first, m.second))
    weights = torch.einsum("bqhd,bkhd->bhqk", q, k).mul(0.5).softmax(-1)
    return torch.einsum("bhqk,bkhd->bqhd", weights, q).reshape(BATCH, SEQ, WIDTH)


def layer_norm(m: Any, x: Any) -> Any:
    x = m.first(x)
    apart = x - x.mean(-1, keepdim=True)
    return m.row * apart / torch.sqrt(x.var(-1, keepdim=True, unbiased=False) + 1e-3)


FUNCTIONS: dict[str, Function] = {
    "leaky_relu": behind(lambda y: F.leaky_relu(y, 0.1)), "elu": behind(F.elu), "mish": behind(F.mish),
    "softplus": behind(F.softplus), "log_sigmoid": behind(F.logsigmoid), "hardswish": behind(F.hardswish),
    "hardtanh": behind(F.hardtanh), "relu6": behind(F.relu6), "abs": behind(torch.abs),
    "hardsigmoid": behind(F.hardsigmoid), "clamp": behind(lambda y: y.clamp(-0.3, 0.4)),
    "exp": behind(torch.exp), "log": behind(lambda y: torch.log(y * y + 1)),
    "sqrt": behind(lambda y: torch.sqrt(y * y + 1)), "rsqrt": behind(lambda y: torch.rsqrt(y * y + 1)),
    "reciprocal": behind(lambda y: 1 / (2 + y * y)), "cube": behind(lambda y: y**3 - 2 * y**2),
    "roots as powers": behind(lambda y: (y * y + 1) ** 0.5 - (y * y + 2) ** -0.5),
    "glu": behind(lambda y: F.glu(y)), "rsub": behind(lambda y: 1 - y),
    "maximum": lambda m, x: torch.maximum(m.first(x), m.second(x)) * torch.minimum(m.first(x), m.second(x)),
    "division": lambda m, x: m.first(x) / (2 + m.second(x).exp()),
    "prelu": lambda m, x: m.prelu(m.first(x).transpose(1, 2)).transpose(1, 2),
    "softmax": behind(lambda y: y.softmax(-1)), "log_softmax": behind(lambda y: y.log_softmax(-1)),
    "mean of tokens": behind(lambda y: y.mean(1)), "mean of the batch": behind(lambda y: y.mean(0)),
    "mean of features": behind(lambda y: y - y.mean(-1, keepdim=True)),
    "mean of tokens, kept": behind(lambda y: y - y.mean(1, keepdim=True)),
    "sum of all dimensions but one": behind(lambda y: y.sum((1, 2))),
    "sum of heads": behind(lambda y: y.unflatten(-1, (3, 4)).sum(-2)),
    "standard deviation": behind(lambda y: y / (1 + y.std(-1, keepdim=True))),
    "layer norm": layer_norm,
    "rms norm by division": behind(lambda y: y / torch.sqrt(y.pow(2).mean(-1, keepdim=True) + 1e-3)),
    "one plus weight": lambda m, x: m.first(x) * (1.0 + m.row),
    "one number": lambda m, x: m.first(x) * m.number,
    "cumsum of tokens": behind(lambda y: y.cumsum(1)), "cumsum of features": behind(lambda y: y.cumsum(-1)),
    "cat of features": lambda m, x: m.second(torch.cat((m.first(x)[..., :7], x[..., :5]), -1)),
    "cat of tokens": lambda m, x: torch.cat((m.row.expand(BATCH, 1, WIDTH), m.first(x)), 1),
    "roll": behind(lambda y: y.roll(1, 1) + y.roll(-3, 2)), "pad": behind(lambda y: F.pad(y, (0, 0, 1, 0))),
    "repeat": behind(lambda y: y.repeat(1, 1, 2)), "part": behind(lambda y: y.tanh().softmax(-1)[..., 3:8]),
    "constants": behind(lambda y: y + torch.ones_like(y) - 2 * y.new_zeros(WIDTH)),
    "last token": behind(lambda y: y[:, -1]), "every second token": behind(lambda y: y[:, ::2]),
    "in place": behind(lambda y: y.add_(1).mul_(2).relu_()),
    "einsum of a parameter": lambda m, x: torch.einsum("btd,dhk->bthk", x, m.matrix).flatten(-2),
    "attention by einsum": attention,
    "convolution": lambda m, x: m.conv(x.transpose(1, 2)),
}  # fmt: skip


def error(found: Any, wanted: Any) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())


def check(name: str, engine: Any) -> None:
    torch.manual_seed(0)
    model, x = Model(FUNCTIONS[name]), torch.randn(BATCH, SEQ, WIDTH)
    with torch.no_grad():
        wanted = model(x)
    wafer = Wafer("wse3", (5, 2))
    found = compile(model, (x,), wafer, engine=engine)(x)
    assert found.shape == wanted.shape and error(found, wanted) < 3e-6
    target = torch.randn(wanted.shape)
    step = compile_training(model, F.mse_loss, None, (x, target), wafer, engine=engine)
    step(x, target)
    F.mse_loss(model(x), target).backward()
    gradients, named = step.gradients(), dict(model.named_parameters())
    assert set(gradients) == {n for n, p in named.items() if p.grad is not None}
    largest = max(float(named[n].grad.abs().max()) for n in gradients)
    for parameter, gradient in gradients.items():
        difference = float((gradient - named[parameter].grad).abs().max())
        assert difference < 1e-5 * max(float(named[parameter].grad.abs().max()), 0.01 * largest), parameter


@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_and_gradients(name: str) -> None:
    check(name, "numpy")


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_on_the_wafer(name: str) -> None:
    check(name, "fast")


def test_patches_by_convolution_and_unfold() -> None:
    picture = torch.randn(2, 3, 8, 8)

    class Patches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.linear = nn.Conv2d(3, 16, 2, stride=2), nn.Linear(12, 5)

        def forward(self, x: Any, y: Any) -> Any:
            y = y.unfold(2, 2, 2).unfold(3, 2, 2).permute(0, 2, 3, 1, 4, 5).reshape(2, 16, 12)
            return self.conv(x).flatten(2).transpose(1, 2), self.linear(y)

    model = Patches()
    found = compile(model, (picture, picture), Wafer("wse3", (3, 2)), engine="numpy")(picture, picture)
    for a, b in zip(found, model(picture, picture), strict=True):
        assert error(a, b.detach()) < 3e-6


@pytest.mark.parametrize("engine", ("numpy", "fast"))
def test_the_row_of_padding_is_not_trained(engine: Any) -> None:
    embedding = nn.Embedding(7, 6, padding_idx=2)
    ids, target = torch.tensor([[1, 2, 2, 5]]), torch.randn(1, 4, 6)
    step = compile_training(embedding, F.mse_loss, None, (ids, target), Wafer("wse3", (3, 2)), engine=engine)
    step(ids, target)
    F.mse_loss(embedding(ids), target).backward()
    assert embedding.weight.grad is not None and not embedding.weight.grad[2].any()
    assert error(step.gradients()["weight"], embedding.weight.grad) < 1e-5


def test_every_operator_is_documented() -> None:
    from openwafer.nn.capture.aten._table import ATEN

    text = (Path(__file__).parents[2] / "docs" / "operators.md").read_text("utf-8")
    listed = set(re.findall(r"`([a-z0-9_A-Z]+\.\w+)`", text.partition("## ")[2]))
    assert listed == {str(overload).removeprefix("aten.") for overload in ATEN}
