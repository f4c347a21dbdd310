"""What is changed in a model after it was compiled reaches the wafer, or is told."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `torch`")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torch_models import Gpt  # noqa: E402

from openwafer.diag import DiagnosticError  # noqa: E402
from openwafer.nn import Wafer, compile, compile_generation, compile_training  # noqa: E402
from openwafer.nn.run._dynamo import openwafer  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
WAFER = Wafer("wse3", (2, 2))
X, Y = torch.linspace(-1, 1, 24).reshape(4, 6), torch.tensor([0, 2, 1, 3])


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Linear(6, 6), nn.Linear(6, 6)
        self.norm, self.drop, self.scale = nn.BatchNorm1d(6), nn.Dropout(), 1.5

    def forward(self, x: Any) -> Any:
        return self.b(self.drop(self.norm(self.a(x)))) * self.scale


def replace(m: Any) -> None:
    m.a.weight = nn.Parameter(m.a.weight.detach() * 2)


def assign_data(m: Any) -> None:
    m.a.weight.data = m.a.weight.data * 2


def write_data(m: Any) -> None:
    m.a.weight.data.mul_(2)


def write_numpy(m: Any) -> None:
    m.a.weight.detach().numpy()[:] *= 2


def write(m: Any) -> None:
    with torch.no_grad():
        m.a.weight.mul_(2)


def load(m: Any) -> None:
    m.load_state_dict(
        {n: t * 2 if n.endswith("weight") and "norm" not in n else t for n, t in m.state_dict().items()}
    )


REACHING = (replace, assign_data, write_data, write_numpy, write, load)
"""Changes of weights."""


@pytest.mark.parametrize("change", REACHING, ids=lambda f: f.__name__)
@pytest.mark.parametrize("engine", ("numpy", "fast"))
def test_weights_reach_the_wafer(change: Callable[[Any], None], engine: Any) -> None:
    model = Net().eval()
    compiled = compile(model, (X,), WAFER, engine=engine)
    for _ in range(2):
        with torch.no_grad():
            assert torch.allclose(compiled(X), model(X), atol=1e-5)
        change(model)
        with torch.no_grad():
            assert torch.allclose(compiled(X), model(X), atol=1e-5)


TOLD: dict[str, tuple[Callable[[Any], Any], str]] = {
    "training mode": (lambda m: m.train(), "modules"),
    "a number": (lambda m: setattr(m, "scale", 2.0), "modules, or numbers"),
    "a hook": (lambda m: m.a.register_forward_hook(lambda *given: given[-1] * 2), "modules"),
    "a buffer": (lambda m: m.norm.running_mean.add_(1), "`norm.running_mean`"),
    "a buffer replaced": (lambda m: setattr(m.norm, "running_mean", torch.ones(6)), "`norm.running_mean`"),
    "tied weights": (lambda m: setattr(m.b, "weight", m.a.weight), "one parameter"),
    "another layer": (lambda m: setattr(m, "b", nn.Linear(6, 6, bias=False)), "`b.bias` is gone"),
    "weight norm": (lambda m: nn.utils.parametrizations.weight_norm(m.a), "parametrizations"),
    "half precision": (lambda m: m.a.half(), "float16"),
}


@pytest.mark.parametrize("case", TOLD)
def test_other_changes_are_told(case: str) -> None:
    change, words = TOLD[case]
    model = Net().eval()
    compiled = compile(model, (X,), WAFER, engine="numpy")
    compiled(X)
    change(model)
    with pytest.raises(DiagnosticError, match="model-changed") as caught:
        compiled(X)
    assert words in caught.value.diagnostics[0].message


def test_changes_that_change_nothing() -> None:
    """Training mode without layers that it concerns, gradients, an equal buffer, and back again."""
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU()).eval()
    compiled = compile(model, (X,), WAFER, engine="numpy")
    for change in (model.train, model.eval, lambda: model.requires_grad_(False), model.train):
        change()
        assert torch.allclose(compiled(X), model(X).detach(), atol=1e-6)
    stateful = Net().eval()
    compiled = compile(stateful, (X,), WAFER, engine="numpy")
    stateful.load_state_dict(copy.deepcopy(stateful.state_dict()))
    assert torch.allclose(compiled(X), stateful(X).detach(), atol=1e-5)


def test_torch_compile_follows_weights_and_buffers() -> None:
    torch.compiler.reset()
    model = Net().eval()
    compiled = torch.compile(model, backend=openwafer, options={"wafer": WAFER, "engine": "numpy"})
    for change in (write, write_data, replace, lambda m: m.norm.running_mean.add_(1)):
        change(model)
        with torch.no_grad():
            assert torch.allclose(compiled(X), model(X), atol=1e-5)


def test_generation_follows_weights_between_texts() -> None:
    torch.manual_seed(0)
    model = Gpt().eval()
    generator = compile_generation(model, 8, WAFER, prefill=4, engine="numpy")
    for _ in range(2):
        wanted = model(torch.tensor([[1, 2, 3]]))[0, -1].detach()
        assert torch.allclose(torch.tensor(generator.feed([1, 2, 3])), wanted, atol=1e-5)
        with torch.no_grad():
            model.head.weight.mul_(2)
        with pytest.raises(DiagnosticError, match="weights-changed"):
            generator.feed([1])
        generator.reset()


# --- training ---


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Linear(6, 5), nn.Linear(5, 4)

    def forward(self, x: Any) -> Any:
        return self.b(self.a(x).relu())


def trained(make: Callable[[Any], Any], schedule: Callable[[Any], Any], steps: int = 5) -> None:
    """Both trainings give the same losses and weights."""
    ours, theirs = Small(), Small()
    optimizers = [make(m.parameters()) for m in (ours, theirs)]
    schedulers = [schedule(o) for o in optimizers]
    step = compile_training(ours, F.cross_entropy, optimizers[0], (X, Y), WAFER, engine="numpy")
    for _ in range(steps):
        optimizers[1].zero_grad()
        wanted = F.cross_entropy(theirs(X), Y)
        wanted.backward()
        optimizers[1].step()
        assert step(X, Y) == pytest.approx(wanted.item(), rel=1e-5)
        for scheduler in schedulers:
            scheduler.step()
    step.sync()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


class Rising:
    """A schedule of one's own: a number of the groups grows."""

    def __init__(self, optimizer: Any, name: str, by: float) -> None:
        self.group, self.name, self.by = optimizer.param_groups[0], name, by

    def step(self) -> None:
        self.group[self.name] += self.by


SCHEDULES: dict[str, tuple[Any, Any]] = {
    "one cycle, AdamW": (
        lambda p: torch.optim.AdamW(p, lr=0.02),
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.02, total_steps=8),
    ),
    "one cycle, SGD": (
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=8),
    ),
    "weight decay": (lambda p: torch.optim.AdamW(p, lr=0.02), lambda o: Rising(o, "weight_decay", 0.5)),
    "eps": (lambda p: torch.optim.AdamW(p, lr=0.02), lambda o: Rising(o, "eps", 0.1)),
    "weight decay, SGD": (lambda p: torch.optim.SGD(p, lr=0.1), lambda o: Rising(o, "weight_decay", 0.1)),
    "dampening": (
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9), lambda o: Rising(o, "dampening", 0.1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SCHEDULES)
def test_whatever_a_schedule_changes(case: str) -> None:
    trained(*SCHEDULES[case])


def sgd(model: Any) -> Any:
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def nesterov(optimizer: Any) -> None:
    optimizer.param_groups[0]["nesterov"] = True


def no_momentum(optimizer: Any) -> None:
    optimizer.param_groups[0]["momentum"] = 0.0


def another_group(optimizer: Any) -> None:
    optimizer.add_param_group({"params": [nn.Parameter(torch.ones(1))]})


@pytest.mark.parametrize("change", (nesterov, no_momentum, another_group), ids=lambda f: f.__name__)
def test_what_no_step_can_change(change: Callable[[Any], None]) -> None:
    model = Small()
    optimizer = sgd(model)
    step = compile_training(model, F.cross_entropy, optimizer, (X, Y), WAFER, engine="numpy")
    step(X, Y)
    change(optimizer)
    with pytest.raises(DiagnosticError, match="optimizer-changed"):
        step(X, Y)


def test_weights_that_are_read_without_a_gradient_too() -> None:
    """A part of a layer's result is detached: its weights change with the others."""

    class Twice(Small):
        def forward(self, x: Any) -> Any:
            y = self.a(x)
            return self.b(y) * y[:, :1].detach().mean()

    ours, theirs = Twice(), Twice()
    optimizers = [sgd(m) for m in (ours, theirs)]
    step = compile_training(ours, F.cross_entropy, optimizers[0], (X, Y), WAFER, engine="numpy")
    for _ in range(3):
        optimizers[1].zero_grad()
        wanted = F.cross_entropy(theirs(X), Y)
        wanted.backward()
        optimizers[1].step()
        assert step(X, Y) == pytest.approx(wanted.item(), rel=1e-5)
    step.sync()
    assert torch.allclose(ours.a.weight, theirs.a.weight, atol=1e-5)


class Table(nn.Module):
    """Of six positions a text has three."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.out = nn.Embedding(6, 4), nn.Linear(4, 5)

    def forward(self, x: Any) -> Any:
        return self.out(x + self.table(torch.arange(3)))


@pytest.mark.parametrize("kind", (torch.optim.AdamW, torch.optim.SGD))
def test_weight_decay_of_rows_that_no_step_reads(kind: Any) -> None:
    ours, theirs = Table(), Table()
    optimizers = [kind(m.parameters(), lr=0.1, weight_decay=0.3) for m in (ours, theirs)]
    x, y = torch.linspace(-1, 1, 12).reshape(3, 4), torch.tensor([1, 4, 0])
    step = compile_training(ours, F.cross_entropy, optimizers[0], (x, y), WAFER, engine="numpy")
    for i in range(4):
        optimizers[1].zero_grad()
        F.cross_entropy(theirs(x), y).backward()
        optimizers[1].step()
        step(x, y)
        if i % 2:
            step.sync()
            assert torch.allclose(ours.table.weight, theirs.table.weight, atol=1e-5)


def test_momentum_of_rows_that_no_step_reads() -> None:
    model, x, y = Table(), torch.ones(3, 4), torch.tensor([1, 4, 0])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    step = compile_training(model, F.cross_entropy, optimizer, (x, y), WAFER, engine="numpy")
    with pytest.raises(DiagnosticError, match="unsupported-optimizer"):
        step(x, y)


def test_states_of_an_optimizer_are_not_dropped() -> None:
    model = Small()
    optimizer = sgd(model)
    F.cross_entropy(model(X), Y).backward()
    optimizer.step()
    with pytest.raises(DiagnosticError, match="unsupported-optimizer"):
        compile_training(model, F.cross_entropy, optimizer, (X, Y), WAFER)


def test_weights_changed_between_steps() -> None:
    model = Small()
    step = compile_training(model, F.cross_entropy, sgd(model), (X, Y), WAFER, engine="numpy")
    step(X, Y)
    with torch.no_grad():
        model.a.weight.mul_(2)
    for call in (lambda: step(X, Y), step.sync):
        with pytest.raises(DiagnosticError, match="weights-changed"):
            call()
    with torch.no_grad():
        model.a.weight.mul_(0.5)
    step.sync()
    with torch.no_grad():
        model.a.weight.mul_(2)
    wanted = F.cross_entropy(model(X), Y).item()
    assert step(X, Y) == pytest.approx(wanted, rel=1e-5)


def test_frozen_parameters_and_hooks() -> None:
    model = Small()
    step = compile_training(model, F.cross_entropy, sgd(model), (X, Y), WAFER, engine="numpy")
    model.a.weight.requires_grad_(False)
    with pytest.raises(DiagnosticError, match="model-changed"):
        step(X, Y)
    model = Small()
    model.b.weight.register_hook(lambda gradient: gradient * 2)
    with pytest.raises(DiagnosticError, match="unsupported-hook"):
        compile_training(model, F.cross_entropy, sgd(model), (X, Y), WAFER)


def test_saved_weights_are_the_trained_ones(tmp_path: Any) -> None:
    import numpy as np

    model = Small()
    step = compile_training(model, F.cross_entropy, sgd(model), (X, Y), WAFER)
    step.save(tmp_path / "before")
    step(X, Y)
    step.save(tmp_path / "after")
    before, after = (np.load(tmp_path / name / "weights.npz") for name in ("before", "after"))
    assert any(not np.array_equal(before[name], after[name]) for name in before)
