"""Inputs that a model reads in several arrangements: the host gives each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `torch`")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from openwafer.diag import DiagnosticError  # noqa: E402
from openwafer.nn import Wafer, compile, compile_training  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
WAFER = Wafer("wse3", (3, 2))


class Layers(nn.Module):
    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.a, self.b, self.c = (
            nn.Conv2d(3, 3, 3, padding=1),
            nn.Conv2d(3, 3, 1),
            nn.Conv2d(3, 5, 2, stride=2),
        )
        self.all, self.row = nn.Linear(48, 5), nn.Linear(4, 4)
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(self, x)


USES: dict[str, Callable[[Any, Any], Any]] = {
    "two convolutions": lambda m, x: m.a(x) + m.b(x),
    "a shortcut": lambda m, x: m.a(x) + x,
    "patches and all": lambda m, x: m.c(x).mean((2, 3)) + m.all(x.flatten(1)),
    "all and a mean": lambda m, x: m.all(x.flatten(1)) * x.mean(),
    "rows and pictures": lambda m, x: m.row(x).mean() + m.a(x),
    "a part": lambda m, x: m.a(x)[:, :, :2] + m.b(x[:, :, 2:]),
}


@pytest.mark.parametrize("name", USES)
def test_several_arrangements(name: str) -> None:
    torch.manual_seed(0)
    model, x = Layers(USES[name]), torch.randn(2, 3, 4, 4)
    compiled = compile(model, (x,), WAFER, engine="numpy")
    for given in (x, x.flip(0) * 2):
        found, wanted = compiled(given), model(given).detach()
        assert float((found - wanted).abs().max() / wanted.abs().max()) < 1e-5
    with pytest.raises(DiagnosticError, match="compiled for 1 inputs, found 2"):
        compiled(x, x)


@pytest.mark.parametrize("engine", ("numpy", "fast"))
def test_whole_numbers_as_targets(engine: Any) -> None:
    """0 and 1, as data sets give them; also as classes in another term."""

    def loss(x: Any, y: Any) -> Any:
        return F.binary_cross_entropy_with_logits(x[:, 0], y.float()) + 0.5 * F.cross_entropy(x[:, 1:], y)

    torch.manual_seed(0)
    model, x, y = nn.Linear(5, 3), torch.randn(6, 5), torch.tensor([0, 1, 1, 0, 1, 0])
    step = compile_training(model, loss, None, (x, y), WAFER, engine=engine)
    wanted = loss(model(x), y)
    wanted.backward()
    assert step(x, y) == pytest.approx(wanted.item(), rel=1e-5)
    assert model.weight.grad is not None
    assert float((step.gradients()["weight"] - model.weight.grad).abs().max()) < 1e-6
