"""Models as people bring them run as they are: results and gradients are those of PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `torch`")

import brought_models as brought  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torch.utils import _pytree  # noqa: E402

from openwafer.diag import DiagnosticError  # noqa: E402
from openwafer.nn import Wafer, compile, compile_generation, compile_training  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
TOLERANCE = 5e-6
"""Sums of some hundred products in f32, in another order than PyTorch's."""


def _seeded() -> Any:
    return torch.Generator().manual_seed(1)


def numbers(*shape: int) -> Any:
    return torch.randn(*shape, generator=_seeded())


def ids(*shape: int, below: int = 29) -> Any:
    return torch.randint(0, below, shape, generator=_seeded())


MODELS: dict[str, tuple[Callable[[], Any], tuple[Any, ...]]] = {
    "classifier": (brought.Classifier, (numbers(5, 8, 8),)),
    "residual mlp": (brought.ResidualMlp, (numbers(7, 13),)),
    "mixer": (brought.Mixer, (numbers(3, 1, 8, 8),)),
    "nanogpt": (brought.NanoGpt, (ids(2, 9),)),
    "nanogpt, written out": (lambda: brought.NanoGpt(flash=False), (ids(2, 9),)),
    "heads as modules": (brought.LectureGpt, (ids(2, 9),)),
    "llama, complex": (lambda: brought.MetaLlama("complex"), (ids(2, 9),)),
    "llama, real": (lambda: brought.MetaLlama("real"), (ids(2, 9),)),
    "llama, strided": (lambda: brought.MetaLlama("strided"), (ids(2, 9),)),
    "llama, halves": (lambda: brought.MetaLlama("halves"), (ids(2, 9),)),
    "multihead": (lambda: brought.Attending(is_causal=False), (numbers(2, 7, 24),)),
    "multihead, causal": (lambda: brought.Attending(is_causal=True), (numbers(2, 7, 24),)),
    "encoder": (brought.Encoder, (ids(2, 9),)),
    "encoder, norm first": (lambda: brought.Encoder(norm_first=True, activation="gelu"), (ids(2, 9),)),
    "vit": (brought.Vit, (numbers(3, 1, 8, 8),)),
    "wide and deep": (brought.WideAndDeep, (numbers(5, 8), numbers(5, 6), ids(5, below=11))),
    "tied autoencoder": (brought.TiedAutoencoder, (numbers(6, 13),)),
    "functions": (brought.Functions, (numbers(2, 5, 9),)),
    "recurrent": (brought.Recurrent, (ids(2, 9),)),
    "squared relu, padding": (brought.SquaredRelu, (ids(4, 9, below=6),)),
}
ON_THE_WAFER = ("mixer", "heads as modules", "llama, complex", "vit", "functions", "squared relu, padding")
"""Between them, all that the others do not share with `test_against_torch`."""


def make(name: str) -> tuple[Any, tuple[Any, ...]]:
    torch.manual_seed(0)
    build, inputs = MODELS[name]
    return build(), inputs


def leaves(results: Any) -> list[Any]:
    return [r for r in _pytree.tree_leaves(results) if r is not None]


def error(found: Any, wanted: Any) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())


def check_forward(name: str, shape: tuple[int, int], engine: Any) -> None:
    model, inputs = make(name)
    model.eval()
    found = compile(model, inputs, Wafer("wse3", shape), engine=engine)(*inputs)
    with torch.no_grad():
        wanted = model(*inputs)
    assert _pytree.tree_structure(found) == _pytree.tree_structure(wanted)
    for a, b in zip(leaves(found), leaves(wanted), strict=True):
        assert a.shape == b.shape
        assert error(a, b) < TOLERANCE


def first_squared(results: Any, target: Any) -> Any:
    return F.mse_loss(leaves(results)[0], target)


def check_gradients(name: str, shape: tuple[int, int], engine: Any) -> None:
    """Errors are relative to a parameter's largest gradient; of gradients that are zero but for cancellation,
    to the model's."""
    model, inputs = make(name)
    with torch.no_grad():
        target = numbers(*leaves(model(*inputs))[0].shape)
    step = compile_training(
        model, first_squared, None, (*inputs, target), Wafer("wse3", shape), engine=engine
    )
    found = step(*inputs, target)
    wanted = first_squared(model(*inputs), target)
    wanted.backward()
    assert found == pytest.approx(wanted.item(), rel=TOLERANCE)
    gradients, named = step.gradients(), dict(model.named_parameters(remove_duplicate=False))
    trained = {id(p) for p in model.parameters() if p.grad is not None}
    assert {id(named[n]) for n in gradients} == trained
    largest = max(float(p.grad.abs().max()) for p in model.parameters() if p.grad is not None)
    for parameter, gradient in gradients.items():
        wanted = named[parameter].grad
        scale = max(float(wanted.abs().max()), 0.01 * largest)
        assert float((gradient - wanted).abs().max()) < 2 * TOLERANCE * scale, parameter


@pytest.mark.parametrize("name", MODELS)
def test_forward_by_definition(name: str) -> None:
    check_forward(name, (3, 2), "numpy")


@pytest.mark.parametrize("name", MODELS)
def test_gradients_by_definition(name: str) -> None:
    check_gradients(name, (4, 3), "numpy")


@pytest.mark.parametrize("name", ON_THE_WAFER)
def test_gradients_on_the_wafer(name: str) -> None:
    check_gradients(name, (4, 3), "fast")


@pytest.mark.slow
@pytest.mark.parametrize("shape", ((1, 2), (5, 3)), ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_forward_on_the_wafer(name: str, shape: tuple[int, int]) -> None:
    check_forward(name, shape, "fast")


def test_nanogpt_with_its_loss() -> None:
    model, (tokens,) = make("nanogpt")
    targets = tokens.roll(-1, 1)
    logits, loss = compile(model, (tokens, targets), Wafer("wse3", (3, 2)), engine="numpy")(tokens, targets)
    wanted, wanted_loss = model(tokens, targets)
    assert loss.shape == () and error(loss, wanted_loss) < TOLERANCE
    assert error(logits, wanted) < TOLERANCE


def test_classes_are_learned_from_logarithms() -> None:
    """`nll_loss` behind `log_softmax` is the cross-entropy."""
    model, (pictures,) = make("classifier")
    labels = ids(5, below=10)
    step = compile_training(
        model, F.nll_loss, None, (pictures, labels), Wafer("wse3", (3, 2)), engine="numpy"
    )
    wanted = F.nll_loss(model(pictures), labels)
    wanted.backward()
    assert step(pictures, labels) == pytest.approx(wanted.item(), rel=TOLERANCE)
    assert error(step.gradients()["fc1.weight"], model.fc1.weight.grad) < TOLERANCE


@pytest.mark.parametrize("turn", brought.TURNS)
def test_every_rotary_embedding_generates(turn: str) -> None:
    model, _ = make(f"llama, {turn}")
    text = [1, 5, 3]
    generator = compile_generation(model, 12, Wafer("wse3", (3, 2)), prefill=4, engine="numpy")
    found = list(generator.generate(text, 8))
    with torch.no_grad():
        for _ in range(8):
            text.append(int(model(torch.tensor([text]))[0, -1].argmax()))
    assert found == text[3:]


def test_elements_used_in_two_ways_are_not_trained_apart() -> None:
    class Overlapping(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.randn(6, 4))

        def forward(self, x: Any) -> Any:
            return F.linear(x, self.weight[:4]) + F.linear(x, self.weight[2:])

    inputs = (numbers(3, 4), numbers(3, 4))
    compile(Overlapping(), inputs[:1], Wafer("wse3", (2, 2)), engine="numpy")
    with pytest.raises(DiagnosticError, match="weight-used-twice"):
        compile_training(Overlapping(), F.mse_loss, None, inputs, Wafer("wse3", (2, 2)), engine="numpy")


def test_a_model_of_cells_is_told_what_is_nearest() -> None:
    with pytest.raises(DiagnosticError) as caught:
        compile(brought.Cells(), (ids(2, 9),))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.id == "missing-operator" and "`lstm_cell.default`" in diagnostic.message
    assert diagnostic.help is not None and "`torch.nn.LSTM`" in diagnostic.help
    assert any("brought_models.py" in note and "self.cell" in note for note in diagnostic.notes)
