"""Writes in place reach results, inputs and buffers as in PyTorch; what is not carried out names the line."""

from __future__ import annotations

import copy
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `torch`")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from openwafer.diag import Diagnostic, DiagnosticError  # noqa: E402
from openwafer.nn import Wafer, compile, compile_training  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
WAFER = Wafer("wse3", (2, 2))
X = torch.linspace(-2, 2, 24).reshape(4, 6)


class Model(nn.Module):
    """A function of x and of a module with layers and buffers."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.drop = nn.Linear(6, 6), nn.Dropout()
        self.register_buffer("mean", torch.rand(6))
        self.register_buffer("seen", torch.tensor(0))
        self.plain, self.calls = torch.rand(6), 0
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(self, x)


def columns(m: Any, x: Any) -> Any:
    y = m.layer(x)
    y[:, 1:5:2] = -1.5
    y[..., -1] *= 3
    return y


def transposed(m: Any, x: Any) -> Any:
    y = x.clone()
    y.t()[2:4].neg_()
    y.unflatten(1, (2, 3))[:, 1].relu_()
    return y


def rows(m: Any, x: Any) -> Any:
    y = torch.zeros_like(x)
    y[1:3] = m.layer(x)[:2]
    y[[0, 3]] = m.mean
    return y


def inner(m: Any, x: Any) -> Any:
    y = m.layer(x)
    y[1:3, 2:4] = x[:2, 4:]
    y.chunk(2)[1].view(-1)
    return y


def through_dropout(m: Any, x: Any) -> Any:
    """In evaluation it returns its very argument."""
    y = m.layer(x)
    m.drop(y)[0] = 0.0
    return y


def nested(m: Any, x: Any) -> Any:
    """The write under `no_grad` is a graph of its own."""
    y = m.layer(x)
    with torch.no_grad():
        y.add_(1.0)
    m.drop(y)[:, 2:].mul_(2.0)
    return y


def through_type_as(m: Any, x: Any) -> Any:
    """It returns its argument, too, and the trace has it so."""
    y = m.layer(x).type_as(x)
    z = y.type_as(y)
    z[-1].zero_()
    return y * m.layer(z)


def spread(m: Any, x: Any) -> Any:
    y = m.layer(x)
    y.copy_(m.mean)
    y += x
    return y


def average(m: Any, x: Any) -> Any:
    m.mean.mul_(0.9).add_(x.mean(0), alpha=0.1)
    return x - m.mean


def given(m: Any, x: Any) -> Any:
    x[:, :2] += 1.0
    return m.layer(x), x


def replaced(m: Any, x: Any) -> Any:
    m.mean = m.mean + x.sum(0)
    return x * 2 + m.mean


WRITES = (
    columns,
    transposed,
    rows,
    inner,
    through_dropout,
    through_type_as,
    nested,
    spread,
    average,
    given,
    replaced,
)


@pytest.mark.parametrize("engine", ("numpy", "fast"))
@pytest.mark.parametrize("function", WRITES, ids=lambda f: f.__name__)
def test_writes(function: Any, engine: Any) -> None:
    ours = Model(function).eval()
    theirs = copy.deepcopy(ours)
    compiled = compile(ours, (X.clone(),), WAFER, engine=engine)
    for scale in (1.0, -2.0, 0.5):
        a, b = X * scale, X * scale
        with torch.no_grad():
            found, wanted = compiled(a), theirs(b)
        pairs = zip((found, a, ours.mean), (wanted, b, theirs.mean), strict=True)
        for x, y in pairs:
            for left, right in zip(x, y, strict=True):
                assert torch.allclose(left, right, atol=1e-5)


def returned_from_no_grad(m: Any, x: Any) -> Any:
    with torch.no_grad():
        y = x * 1.5
    z = m.drop(y + m.mean)
    z[:, 1::2] = 0.0
    return z


@pytest.mark.parametrize("function", (nested, returned_from_no_grad), ids=lambda f: f.__name__)
def test_writes_captured_without_gradients(function: Any) -> None:
    """`torch.export` makes another graph of `no_grad` then."""
    model = Model(function).eval()
    with torch.no_grad():
        found = compile(model, (X.clone(),), WAFER, engine="numpy")(X.clone())
        assert torch.allclose(found, model(X.clone()), atol=1e-5)


def test_training_with_writes() -> None:
    def function(m: Any, x: Any) -> Any:
        y = m.layer(x)
        y[:, :3] *= 2.0
        m.mean.add_(y.detach().mean(0))
        return y - m.mean

    ours = Model(function)
    theirs = copy.deepcopy(ours)
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9) for m in (ours, theirs)]
    step = compile_training(ours, F.mse_loss, optimizers[0], (X, X.flip(0)), WAFER, engine="numpy")
    for _ in range(4):
        optimizers[1].zero_grad()
        wanted = F.mse_loss(theirs(X), X.flip(0))
        wanted.backward()
        optimizers[1].step()
        assert step(X, X.flip(0)) == pytest.approx(wanted.item(), rel=1e-5)
        assert torch.allclose(ours.mean, theirs.mean, atol=1e-5)


@pytest.mark.parametrize("stopped", (lambda y: y.detach(), lambda y: without_gradient(y)))
def test_no_gradient_passes_what_is_detached(stopped: Any) -> None:
    model = Model(lambda m, x: m.layer(x) * stopped(m.layer(x)))
    step = compile_training(model, F.mse_loss, None, (X, X), WAFER, engine="numpy")
    step(X, X)
    F.mse_loss(model(X), X).backward()
    assert torch.allclose(step.gradients()["layer.weight"], model.layer.weight.grad, atol=1e-5)


@pytest.mark.parametrize("is_detached", (True, False))
def test_writes_that_gradients_do_not_see_are_refused(is_detached: bool) -> None:
    class Hidden(Model):
        def forward(self, x: Any) -> Any:
            y = self.layer(x)
            with torch.set_grad_enabled(is_detached):
                (y.detach() if is_detached else y)[0].add_(1.0)  # the line to be named
            return y

    call = lambda: compile_training(Hidden(None), F.mse_loss, None, (X, X), WAFER)  # noqa: E731
    diagnostic = refused(call)
    assert diagnostic.id == "unsupported-write"
    assert any("the line to be named" in note for note in diagnostic.notes)


def without_gradient(y: Any) -> Any:
    with torch.no_grad():
        return y.relu() + 1


class Parameter(Model):
    def forward(self, x: Any) -> Any:
        with torch.no_grad():
            self.layer.weight.mul_(0.5)  # the line to be named
        return self.layer(x)


class Attribute(Model):
    def forward(self, x: Any) -> Any:
        self.plain.mul_(0.5)  # the line to be named
        return x * self.plain


class WholeNumbers(Model):
    def forward(self, x: Any) -> Any:
        self.seen += 1  # the line to be named
        return self.layer(x)


class Diagonal(Model):
    def forward(self, x: Any) -> Any:
        y = self.layer(x)
        y.diagonal().zero_()  # the line to be named
        return y


class Noise(Model):
    def forward(self, x: Any) -> Any:
        return self.layer(x) + torch.rand(6)  # the line to be named


REFUSED: dict[Any, tuple[str, str]] = {
    Parameter: ("unsupported-write", "the parameter `layer.weight`"),
    Attribute: ("unsupported-write", "the tensor `plain`"),
    WholeNumbers: ("unsupported-view", "whole numbers"),
    Diagonal: ("missing-operator", "diagonal"),
    Noise: ("missing-operator", "rand"),
}


@pytest.mark.parametrize("kind", REFUSED, ids=lambda kind: kind.__name__)
def test_refused_writes(kind: Any) -> None:
    diagnostic = refused(lambda: compile(kind(None).eval(), (X.clone(),), WAFER))
    id, words = REFUSED[kind]
    assert diagnostic.id == id and words in diagnostic.message
    assert any("the line to be named" in note for note in diagnostic.notes)


def test_numbers_that_a_call_changes_are_refused() -> None:
    def function(m: Any, x: Any) -> Any:
        m.calls += 1
        return x * m.calls

    model = Model(function)
    assert "`calls`" in refused(lambda: compile(model, (X,), WAFER)).message
    assert model.calls == 0, "tracing leaves the model as it was"


def test_buffers_of_modules_that_become_others_are_refused() -> None:
    """PyTorch's tracing does not see these."""
    model = nn.Sequential(Model(replaced), nn.ReLU())
    diagnostic = refused(lambda: compile(model, (X,), WAFER))
    assert "`0.mean`" in diagnostic.message and "copy_" in str(diagnostic.help)


def test_inputs_that_share_memory() -> None:
    class Two(nn.Module):
        def forward(self, x: Any, y: Any) -> Any:
            x.mul_(2.0)
            return x + y

    compiled = compile(Two(), (X.clone(), X.clone()), WAFER, engine="numpy")
    x = X.clone()
    assert refused(lambda: compiled(x, x)).id == "input-shared"
    assert refused(lambda: compiled(torch.ones(1, 6).expand(4, 6), x)).id == "input-shared"
    assert torch.equal(compiled(x, X.clone()), X * 3)


def test_a_result_behind_dropout_is_the_input() -> None:
    model = Model(lambda m, x: (m.layer(x), m.drop(x))).eval()
    x = X.clone()
    assert compile(model, (X.clone(),), WAFER, engine="numpy")(x)[1] is x


def test_results_share_memory_as_in_pytorch() -> None:
    model = Model(lambda m, x: (x, x[:, 2:], m.mean, (y := m.layer(x)), y.t()))
    compiled = compile(model, (X.clone(),), WAFER, engine="numpy")
    x = X.clone()
    with torch.no_grad():
        same, part, mean, y, turned = compiled(x)
    assert same is x
    part.zero_(), turned.zero_(), mean.fill_(7.0)
    assert not x[:, 2:].any() and not y.any() and model.mean.eq(7.0).all()


def refused(call: Any) -> Diagnostic:
    with pytest.raises(DiagnosticError) as caught:
        call()
    (diagnostic,) = caught.value.diagnostics
    return diagnostic
