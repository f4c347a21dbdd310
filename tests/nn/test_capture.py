"""What the compiler cannot take is a diagnostic with the operator, the module and the line."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `torch`")

from torch import nn  # noqa: E402
from torch_models import Gpt, Llama, Mlp, next_token_loss  # noqa: E402

from openwafer.diag import Diagnostic, DiagnosticError  # noqa: E402
from openwafer.nn import Wafer, compile, compile_training  # noqa: E402
from openwafer.nn.capture._abstract import Mask  # noqa: E402
from openwafer.nn.capture._capture import capture  # noqa: E402

pytestmark = pytest.mark.torch


class Inner(nn.Module):
    def forward(self, x: Any) -> Any:
        return torch.sin(x)  # the line to be named


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        return self.inner(self.linear(x))


def refused(model: Any, *inputs: Any) -> Diagnostic:
    with pytest.raises(DiagnosticError) as caught:
        capture(model, inputs)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


def test_missing_operator() -> None:
    diagnostic = refused(Outer(), torch.ones(2, 4))
    assert diagnostic.id == "missing-operator"
    assert "`sin.default`" in diagnostic.message
    module, line = diagnostic.notes
    assert "`inner`" in module
    assert "test_capture.py" in line and "the line to be named" in line


def test_nearest_overload_is_named() -> None:
    class Model(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.clamp(torch.zeros(2, 1))

    diagnostic = refused(Model(), torch.ones(2, 4))
    assert diagnostic.help is not None and "`clamp.default`" in diagnostic.help


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: torch.softmax(x, 0), "softmax"),
        (lambda x: torch.stack((x, x), -1), "rotary"),
        (lambda x: x**2.5, "power 2.5"),
        (lambda x: x[:, [0, 3, 1]], "even steps"),
        (lambda x: nn.functional.dropout(x, 0.5), "dropout"),
        (lambda x: x + x.transpose(0, 1), "do not lie alike"),
        (lambda x: x @ x.T, "only products with a parameter"),
    ],
)
def test_unsupported_uses(function: Any, words: str) -> None:
    class Model(nn.Module):
        def forward(self, x: Any) -> Any:
            return function(x)

    diagnostic = refused(Model(), torch.ones(4, 4))
    assert diagnostic.id == "unsupported-view"
    assert words in diagnostic.message


def test_attention_and_rotary_embedding_are_seen() -> None:
    ids = torch.zeros(2, 5, dtype=torch.long)
    names = [op.name for op in capture(Llama(), (ids,)).graph.ops]
    assert names.count("rope") == 2 and names.count("sdpa") == 1 and names.count("rms_norm") == 3
    assert "mul_table" not in names


def test_fused_projection_is_split_into_its_weights() -> None:
    graph = capture(Gpt(), (torch.zeros(1, 5, dtype=torch.long),)).graph
    weights = [w for w in graph.weights() if w.parameter == "block.qkv.weight"]
    assert [w.shape for w in weights] == [(8, 8)] * 3
    (attention,) = (op for op in graph.ops if op.name == "sdpa")
    assert attention.attributes["mask"] == Mask()


def test_a_model_that_does_not_fit() -> None:
    model = nn.Linear(400, 400)
    with pytest.raises(DiagnosticError) as caught:
        compile(model, (torch.ones(2, 400),), Wafer("wse3", (2, 2)))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.id == "model-does-not-fit"
    assert "`weight` alone" in diagnostic.message
    assert diagnostic.help == "4 × 4 PEs would do"
    compile(model, (torch.ones(2, 400),), Wafer("wse3", (4, 4)))


@pytest.mark.slow
def test_the_mesh_that_would_do_does() -> None:
    """With the variables of kernels and collectives."""
    model = Llama(vocabulary=96, width=64, heads=4, kv_heads=2, hidden=96, layers=2)
    optimizer, ids = torch.optim.AdamW(model.parameters()), torch.zeros(1, 16, dtype=torch.long)
    with pytest.raises(DiagnosticError) as caught:
        compile_training(model, next_token_loss, optimizer, (ids, ids), Wafer("wse3", (8, 8)))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.help == "12 × 12 PEs would do"
    enough = compile_training(model, next_token_loss, optimizer, (ids, ids), Wafer("wse3", (12, 12)))
    enough(ids, ids)
    assert enough.session.device.now > 0


def test_wrong_shape_at_the_call() -> None:
    compiled = compile(Mlp(), (torch.ones(6, 10),), Wafer("wse3", (2, 2)), engine="numpy")
    with pytest.raises(DiagnosticError, match="input-shape"):
        compiled(torch.ones(5, 10))


LINEAR = nn.Linear(4, 4)
X = torch.ones(3, 4)
SMALL = Wafer("wse3", (2, 2))


class Deciding(nn.Module):
    def forward(self, x: Any) -> Any:
        return x if x.sum() > 0 else -x  # the line to be named


MISUSE: dict[str, tuple[Any, str, str]] = {
    "a function": (lambda: compile(torch.relu, (X,), SMALL), "capture-failed", "torch.nn.Module"),
    "inputs of another shape": (lambda: compile(LINEAR, (X.T,), SMALL), "capture-failed", "reduction dim"),
    "a decision by values": (lambda: compile(Deciding(), (X,), SMALL), "capture-failed", "data-dependent"),
    "another number of inputs": (
        lambda: compile(LINEAR, (X,), SMALL, engine="numpy")(X, X), "input-count", "1 inputs, found 2",
    ),
    "an id that is no row": (
        lambda: compile(nn.Embedding(5, 4), (torch.tensor([1]),), SMALL)(torch.tensor([9])),
        "id-out-of-range", "9 is not one of 0 … 4",
    ),
    "a loss that is no number": (
        lambda: compile_training(LINEAR, lambda a, b: a, None, (X, X), SMALL), "loss-shape", "[3, 4]",
    ),
    "an engine": (
        lambda: compile(LINEAR, (X,), SMALL, engine="quick"),  # type: ignore[arg-type]
        "host-argument", "`quick`",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISUSE)
def test_misuse(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    call, id, words = MISUSE[case]
    with pytest.raises(DiagnosticError) as caught:
        call()
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.id == id and words in diagnostic.message
    if case == "a decision by values":
        assert any("the line to be named" in note for note in diagnostic.notes)
    assert capsys.readouterr().out == ""


def test_one_tensor_is_an_example_too() -> None:
    assert compile(LINEAR, X, SMALL, engine="numpy")(X).shape == (3, 4)  # type: ignore[arg-type]


def test_unsupported_optimizer() -> None:
    model = nn.Linear(3, 3)
    optimizer = torch.optim.Adagrad(model.parameters())
    inputs = (torch.ones(2, 3), torch.ones(2, 3))
    with pytest.raises(DiagnosticError, match="unsupported-optimizer"):
        compile_training(model, nn.functional.mse_loss, optimizer, inputs, Wafer("wse3", (2, 2)))
