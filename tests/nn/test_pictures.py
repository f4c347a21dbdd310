"""Convolutions and pooling, as layers and in models for small pictures, as PyTorch has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `torch`")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from openwafer.diag import DiagnosticError  # noqa: E402
from openwafer.nn import Wafer, compile, compile_training  # noqa: E402
from openwafer.nn.program._program import Call  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
MESHES = ((3, 2), (4, 4))
TOLERANCE = 1e-5


def picture(*shape: int) -> Any:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


class Behind(nn.Module):
    """A function of 5 channels that a convolution makes of an input of 3."""

    def __init__(self, function: Callable[[Any], Any], dims: int) -> None:
        super().__init__()
        kind = nn.Conv2d if dims == 2 else nn.Conv1d
        self.conv, self.function = kind(3, 5, 3, padding=1), function

    def forward(self, x: Any) -> Any:
        return self.function(self.conv(x))


LAYERS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "3 x 3": (lambda: nn.Conv2d(3, 7, 3, padding=1), (2, 3, 6, 5)),
    "no border": (lambda: nn.Conv2d(3, 7, 3, bias=False), (2, 3, 6, 5)),
    "one channel": (lambda: nn.Conv2d(1, 4, 5, padding=2), (3, 1, 8, 8)),
    "strides": (lambda: nn.Conv2d(3, 7, (3, 2), stride=2, padding=(1, 0)), (1, 3, 7, 8)),
    "dilation": (lambda: nn.Conv2d(2, 3, 3, padding="same", dilation=2), (2, 2, 6, 6)),
    "even window, same size": (lambda: nn.Conv2d(2, 3, 4, padding="same"), (2, 2, 6, 6)),
    "1 x 1": (lambda: nn.Sequential(nn.Conv2d(3, 5, 1), nn.ReLU(), nn.Conv2d(5, 2, 1)), (2, 3, 4, 4)),
    "patches": (lambda: nn.Conv2d(3, 5, 2, stride=2), (2, 3, 6, 4)),
    "patches of a result": (lambda: nn.Sequential(nn.Conv2d(3, 5, 3), nn.Conv2d(5, 4, 2, 2)), (2, 3, 6, 6)),
    "line": (
        lambda: nn.Sequential(nn.Conv1d(3, 5, 3, padding=2, dilation=2), nn.ReLU(), nn.Conv1d(5, 4, 4, 2)),
        (2, 3, 9),
    ),
    "max": (lambda: Behind(lambda y: F.max_pool2d(y, 2), 2), (2, 3, 6, 7)),
    "max of zeros": (lambda: Behind(lambda y: F.max_pool2d(F.relu(y - 0.5), 2), 2), (2, 3, 6, 6)),
    "max, overlapping": (lambda: Behind(lambda y: F.max_pool2d(y, 3, 2, 1), 2), (2, 3, 6, 7)),
    "max of a line": (lambda: Behind(lambda y: F.max_pool1d(y, 3), 1), (2, 3, 9)),
    "mean": (lambda: Behind(lambda y: F.avg_pool2d(y, 2), 2), (2, 3, 6, 6)),
    "mean, overlapping": (lambda: Behind(lambda y: F.avg_pool2d(y, 3, 1, 1), 2), (2, 3, 5, 6)),
    "mean of a line": (lambda: Behind(lambda y: F.avg_pool1d(y, 3, 2), 1), (2, 3, 9)),
    "mean of all": (lambda: Behind(lambda y: F.adaptive_avg_pool2d(y, 1), 2), (2, 3, 4, 6)),
    "mean of quarters": (lambda: Behind(lambda y: F.adaptive_avg_pool2d(y, (2, 2)), 2), (2, 3, 4, 6)),
    "constant": (
        lambda: Behind(lambda y: y + F.conv2d(F.silu(y), torch.ones(5, 5, 1, 1) / 5), 2), (2, 3, 4, 4),
    ),
}  # fmt: skip


class Digits(nn.Module):
    """The usual first convolutional network, for pictures of 8 x 8."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 9, 3, padding=1)
        self.pool, self.drop = nn.MaxPool2d(2), nn.Dropout(0.0)
        self.fc1, self.fc2 = nn.Linear(9 * 2 * 2, 20), nn.Linear(20, 10)

    def forward(self, x: Any) -> Any:
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return F.log_softmax(self.fc2(self.drop(x)), dim=1)


class Residual(nn.Module):
    """A block with a shortcut, batch norm in evaluation, a mean over all places."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.bn = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.a, self.b = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.down = nn.Conv2d(8, 12, 3, stride=2, padding=1)
        self.pool, self.out = nn.AdaptiveAvgPool2d(1), nn.Linear(12, 10)

    def forward(self, x: Any) -> Any:
        x = F.relu(self.bn(self.stem(x)))
        x = F.relu(x + self.b(F.relu(self.a(x))))
        return self.out(self.pool(F.relu(self.down(x))).view(x.shape[0], -1))


class Unflattened(nn.Module):
    """A linear layer of all places behind a view by hand, and a decoder's way back to channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.line = nn.Conv2d(1, 4, 3), nn.Linear(4 * 36, 12)

    def forward(self, x: Any) -> Any:
        x = F.gelu(self.conv(x))
        return self.line(x.view(-1, 4 * 36))


MODELS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "digits": (Digits, (3, 1, 8, 8)),
    "residual": (lambda: Residual().eval(), (2, 3, 6, 6)),
    "unflattened": (Unflattened, (2, 1, 8, 8)),
}


def error(found: Any, wanted: Any) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())


def check(build: Callable[[], Any], shape: tuple[int, ...], mesh: tuple[int, int], engine: Any) -> None:
    torch.manual_seed(0)
    model, x, wafer = build(), picture(*shape), Wafer("wse3", mesh)
    wanted = model(x)
    assert error(compile(model, (x,), wafer, engine=engine)(x), wanted.detach()) < TOLERANCE
    y = torch.randn(wanted.shape)
    step = compile_training(model, F.mse_loss, None, (x, y), wafer, engine=engine)
    loss = F.mse_loss(wanted, y)
    loss.backward()
    assert step(x, y) == pytest.approx(loss.item(), rel=TOLERANCE)
    gradients = step.gradients()
    assert set(gradients) == {n for n, p in model.named_parameters() if p.grad is not None}
    for parameter, gradient in gradients.items():
        assert error(gradient, dict(model.named_parameters())[parameter].grad) < 2 * TOLERANCE, parameter


@pytest.mark.parametrize("mesh", MESHES, ids=str)
@pytest.mark.parametrize("name", [*LAYERS, *MODELS])
def test_results_and_gradients(name: str, mesh: tuple[int, int]) -> None:
    check(*{**LAYERS, **MODELS}[name], mesh, "numpy")


ON_THE_WAFER = ("digits", "strides", "max, overlapping")


@pytest.mark.parametrize("name", ON_THE_WAFER)
def test_on_the_wafer(name: str) -> None:
    check(*{**LAYERS, **MODELS}[name], (3, 2), "fast")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in (*LAYERS, *MODELS) if name not in ON_THE_WAFER])
def test_others_on_the_wafer(name: str) -> None:
    check(*{**LAYERS, **MODELS}[name], (3, 2), "fast")


def test_digits_are_learned() -> None:
    """Losses of a training are PyTorch's, and fall: handwritten digits of 8 x 8."""
    datasets = pytest.importorskip("sklearn.datasets", reason="needs the extra `dev`")
    found = datasets.load_digits()
    pictures = torch.tensor(found.images[:16], dtype=torch.float32)[:, None] / 16
    labels = torch.tensor(found.target[:16])
    models = []
    for _ in range(2):
        torch.manual_seed(0)
        models.append(Digits())
    ours, theirs = models
    optimizers = [torch.optim.Adam(m.parameters(), 0.01) for m in models]
    step = compile_training(
        ours, F.nll_loss, optimizers[0], (pictures[:4], labels[:4]), Wafer("wse3", (4, 3)), engine="numpy"
    )
    losses = []
    for i in range(64):
        batch = slice(i * 4 % 16, i * 4 % 16 + 4)
        optimizers[1].zero_grad()
        loss = F.nll_loss(theirs(pictures[batch]), labels[batch])
        loss.backward()
        optimizers[1].step()
        losses.append(step(pictures[batch], labels[batch]))
        if i < 16:
            assert losses[-1] == pytest.approx(loss.item(), rel=1e-3)
    assert sum(losses[-8:]) < 0.5 * sum(losses[:8])


class Larger(nn.Module):
    """For pictures of 28 x 28."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.out = nn.Linear(16 * 7 * 7, 10)

    def forward(self, x: Any) -> Any:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.out(x.flatten(1))


def test_windows_are_made_again_if_they_do_not_fit() -> None:
    """And then two pictures of 28 x 28 fit into 8 x 8 PEs."""
    torch.manual_seed(0)
    model, x, labels = Larger(), picture(2, 1, 28, 28), torch.tensor([3, 8])
    step = compile_training(model, F.cross_entropy, None, (x, labels), Wafer("wse3", (8, 8)), engine="numpy")
    calls = [i.kernel for i in step.session.program.entries[0].instructions if isinstance(i, Call)]
    assert calls.count("unfold") == 4
    loss = F.cross_entropy(model(x), labels)
    loss.backward()
    assert step(x, labels) == pytest.approx(loss.item(), rel=TOLERANCE)
    for parameter, gradient in step.gradients().items():
        assert error(gradient, dict(model.named_parameters())[parameter].grad) < 2 * TOLERANCE, parameter


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (lambda: nn.Conv2d(4, 4, 3, groups=2), "in one group"),
        (lambda: nn.Sequential(nn.Conv2d(4, 4, 1), nn.MaxPool2d(2, ceil_mode=True)), "without `ceil_mode`"),
        (lambda: nn.Sequential(nn.Conv2d(4, 4, 1), nn.AdaptiveAvgPool2d(4)), "windows of one size"),
    ],
)
def test_others_are_refused(layer: Callable[[], Any], words: str) -> None:
    with pytest.raises(DiagnosticError, match=words):
        compile(layer(), (picture(1, 4, 6, 6),), Wafer("wse3", (2, 2)), engine="numpy")
