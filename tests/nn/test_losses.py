"""Losses: their values, and the gradients of a model by them, are PyTorch's."""

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
MESHES = ((3, 2), (4, 4))
TOLERANCE = 2e-5
BATCH, SEQ, CLASSES = 3, 5, 7
Loss = Callable[[Any, Any], Any]


def seeded(seed: int) -> Any:
    return torch.Generator().manual_seed(seed)


def numbers(*shape: int, seed: int = 1) -> Any:
    return torch.randn(*shape, generator=seeded(seed))


def shares(*shape: int) -> Any:
    return torch.rand(*shape, generator=seeded(2))


LABELS = torch.tensor([[0, 6, 2, 5, 1], [3, 3, 4, 0, 6], [1, 2, 2, 6, 5]])
SOME = LABELS.masked_fill(LABELS == 2, -100)
WEIGHTS = torch.tensor([0.3, 1.0, 2.0, 0.5, 0.7, 1.5, 0.1])
MASK = (LABELS != 3).float()


def classes(**options: Any) -> Loss:
    return lambda x, y: F.cross_entropy(x.flatten(0, 1), y.flatten(), **options)


def masked(x: Any, y: Any) -> Any:
    loss = F.cross_entropy(x.view(-1, CLASSES), y.view(-1), reduction="none").view(BATCH, SEQ)
    return (loss * MASK).sum() / MASK.sum()


def distilled(x: Any, y: Any) -> Any:
    """Hard labels and a teacher's."""
    soft = F.kl_div(F.log_softmax(x / 2, -1), F.softmax(y / 2, -1), reduction="batchmean")
    return 0.3 * (x**2).mean() + 0.7 * 4 * soft


def likelihood(x: Any, y: Any) -> Any:
    return -x.log_softmax(-1).gather(-1, y.unsqueeze(-1)).squeeze(-1).mean()


def preference(x: Any, y: Any) -> Any:
    """As in direct preference optimisation: sums of logarithms of chosen tokens, by text."""
    sums = x.log_softmax(-1).gather(-1, y.unsqueeze(-1)).squeeze(-1).sum(-1)
    return -F.logsigmoid(0.5 * sums).mean()


LOSSES: dict[str, tuple[Loss, Any]] = {
    "sum": (classes(reduction="sum"), LABELS),
    "sum, some ignored": (classes(reduction="sum"), SOME),
    "label smoothing": (classes(label_smoothing=0.1), LABELS),
    "label smoothing, some ignored": (classes(label_smoothing=0.2), SOME),
    "a class ignored": (classes(ignore_index=2, label_smoothing=0.1), LABELS),
    "class weights": (nn.CrossEntropyLoss(weight=WEIGHTS), LABELS[:, 0]),
    "class weights, one ignored": (classes(weight=WEIGHTS, ignore_index=6), LABELS),
    "class weights, sum": (classes(weight=WEIGHTS, reduction="sum"), SOME),
    "classes in the second dimension": (lambda x, y: F.cross_entropy(x.transpose(1, 2), y), LABELS),
    "a loss a token, masked": (masked, LABELS),
    "nll, sum": (
        lambda x, y: F.nll_loss(x.log_softmax(-1).flatten(0, 1), y.flatten(), reduction="sum"), LABELS,
    ),
    "probabilities": (lambda x, y: F.cross_entropy(x.flatten(0, 1), y.softmax(-1).flatten(0, 1)),
                      numbers(BATCH, SEQ, CLASSES, seed=4)),
    "probabilities, smoothed": (
        lambda x, y: F.cross_entropy(x.flatten(0, 1), y.flatten(0, 1), label_smoothing=0.1, reduction="sum"),
        numbers(BATCH, SEQ, CLASSES, seed=4).softmax(-1),
    ),
    "likelihood": (likelihood, LABELS),
    "preference": (preference, LABELS),
    "scaled": (lambda x, y: F.cross_entropy(x.flatten(0, 1), y.flatten()) / 4, LABELS),
    "mse, sum": (lambda x, y: F.mse_loss(x, y, reduction="sum"), numbers(BATCH, SEQ, CLASSES)),
    "mse, none": (
        lambda x, y: F.mse_loss(x, y, reduction="none").mean(-1).sum(), numbers(BATCH, SEQ, CLASSES),
    ),
    "rmse": (lambda x, y: torch.sqrt(F.mse_loss(x, y)), numbers(BATCH, SEQ, CLASSES)),
    "l1": (F.l1_loss, numbers(BATCH, SEQ, CLASSES)),
    "huber": (nn.HuberLoss(delta=0.7), numbers(BATCH, SEQ, CLASSES)),
    "smooth l1": (nn.SmoothL1Loss(reduction="sum", beta=0.5), numbers(BATCH, SEQ, CLASSES)),
    "bce with logits": (nn.BCEWithLogitsLoss(), shares(BATCH, SEQ, CLASSES).round()),
    "bce with logits, weights of the positive": (
        nn.BCEWithLogitsLoss(pos_weight=WEIGHTS, reduction="sum"), shares(BATCH, SEQ, CLASSES),
    ),
    "bce": (lambda x, y: F.binary_cross_entropy(torch.sigmoid(x), y), shares(BATCH, SEQ, CLASSES)),
    "kl": (lambda x, y: F.kl_div(x.log_softmax(-1), y, reduction="batchmean"),
           F.one_hot(LABELS, CLASSES).float()),
    "kl of logarithms": (
        lambda x, y: F.kl_div(x.log_softmax(-1), y, reduction="sum", log_target=True),
        numbers(BATCH, SEQ, CLASSES).log_softmax(-1),
    ),
    "distillation": (distilled, numbers(BATCH, SEQ, CLASSES)),
    "two terms": (lambda x, y: F.mse_loss(x, y) + 0.1 * x.abs().mean() - x.sum() / 50,
                  numbers(BATCH, SEQ, CLASSES)),
    "a product": (lambda x, y: F.mse_loss(x, y) * x.exp().mean(), numbers(BATCH, SEQ, CLASSES)),
    "scaled by all": (lambda x, y: ((x / x.square().sum() - y) ** 2).mean(), numbers(BATCH, SEQ, CLASSES)),
    "softplus": (
        lambda x, y: F.softplus(x, beta=2.0).mean() + F.mse_loss(x, y), numbers(BATCH, SEQ, CLASSES),
    ),
}  # fmt: skip


class Model(nn.Module):
    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(6, 9), nn.Linear(9, CLASSES)
        self.is_flat = isinstance(loss, nn.CrossEntropyLoss)

    def forward(self, x: Any) -> Any:
        x = self.outer(torch.tanh(self.inner(x)))
        return x[:, 0] if self.is_flat else x


def error(found: Any, wanted: Any) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())


def check(name: str, shape: tuple[int, int], engine: Any) -> None:
    loss, target = LOSSES[name]
    torch.manual_seed(0)
    model, x = Model(loss), numbers(BATCH, SEQ, 6, seed=3)
    step = compile_training(model, loss, None, (x, target), Wafer("wse3", shape), engine=engine)
    found = step(x, target)
    wanted = loss(model(x), target)
    wanted.backward()
    assert found == pytest.approx(wanted.item(), rel=TOLERANCE)
    gradients = step.gradients()
    assert set(gradients) == {n for n, _ in model.named_parameters()}
    for parameter, gradient in gradients.items():
        assert error(gradient, dict(model.named_parameters())[parameter].grad) < TOLERANCE, parameter


@pytest.mark.parametrize("shape", MESHES, ids=str)
@pytest.mark.parametrize("name", LOSSES)
def test_value_and_gradients(name: str, shape: tuple[int, int]) -> None:
    check(name, shape, "numpy")


ON_THE_WAFER = ("label smoothing, some ignored", "bce with logits", "l1", "a product")


@pytest.mark.parametrize("name", ON_THE_WAFER)
def test_on_the_wafer(name: str) -> None:
    check(name, (3, 2), "fast")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in LOSSES if name not in ON_THE_WAFER])
def test_others_on_the_wafer(name: str) -> None:
    check(name, (3, 2), "fast")


def test_logits_of_zero() -> None:
    """As those of a last layer that starts with zeros: |x| has a corner there, the loss has none."""
    model, x, y = nn.Linear(4, 3), numbers(5, 4), shares(5, 3).round()
    nn.init.zeros_(model.weight), nn.init.zeros_(model.bias)
    loss = nn.BCEWithLogitsLoss()
    step = compile_training(model, loss, None, (x, y), Wafer("wse3", (2, 2)), engine="numpy")
    assert step(x, y) == pytest.approx(loss(model(x), y).item(), rel=1e-6)
    loss(model(x), y).backward()
    assert error(step.gradients()["weight"], model.weight.grad) < TOLERANCE


def test_the_sum_is_what_a_model_may_return() -> None:
    class Sums(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.sum(), x.mean(), x / x.sum()

    x = shares(5, 7)
    found = compile(Sums(), (x,), Wafer("wse3", (3, 2)), engine="numpy")(x)
    for a, b in zip(found, Sums()(x), strict=True):
        assert a.shape == b.shape and error(a, b) < 1e-6


def test_bce_needs_a_sigmoid() -> None:
    x, y = shares(5, 4), shares(5, 4)
    with pytest.raises(DiagnosticError, match="only behind `sigmoid`"):
        compile_training(
            nn.Linear(4, 4), lambda p, y: F.binary_cross_entropy(p * p, y), None, (x, y),
            Wafer("wse3", (2, 2)), engine="numpy",
        )  # fmt: skip


def test_labels_that_are_ignored_are_not_out_of_range() -> None:
    model, x = nn.Linear(4, 3), numbers(4, 4)
    loss = nn.CrossEntropyLoss(weight=torch.ones(3), ignore_index=-1)
    labels = torch.tensor([0, -1, 2, 1])
    step = compile_training(model, loss, None, (x, labels), Wafer("wse3", (2, 2)), engine="numpy")
    assert step(x, labels) == pytest.approx(loss(model(x), labels).item(), rel=1e-6)
    with pytest.raises(DiagnosticError, match="the id -7 is not one of"):
        step(x, torch.tensor([0, -7, 2, 1]))
