"""LSTM, GRU and plain recurrent layers, written out, as PyTorch has them."""

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
BATCH, SEQ, WIDTH, HIDDEN = 3, 5, 6, 7
TOLERANCE = 1e-5
LAYERS: dict[str, Callable[[], Any]] = {
    "lstm": lambda: nn.LSTM(WIDTH, HIDDEN, batch_first=True),
    "lstm, two layers": lambda: nn.LSTM(WIDTH, HIDDEN, num_layers=2, batch_first=True),
    "lstm, both ways": lambda: nn.LSTM(WIDTH, HIDDEN, num_layers=2, bidirectional=True, batch_first=True),
    "lstm, no bias": lambda: nn.LSTM(WIDTH, HIDDEN, bias=False),
    "gru": lambda: nn.GRU(WIDTH, HIDDEN, batch_first=True),
    "gru, both ways": lambda: nn.GRU(WIDTH, HIDDEN, bidirectional=True),
    "gru, no bias": lambda: nn.GRU(WIDTH, HIDDEN, bias=False, batch_first=True),
    "rnn": lambda: nn.RNN(WIDTH, HIDDEN, batch_first=True),
    "rnn of relu": lambda: nn.RNN(WIDTH, HIDDEN, nonlinearity="relu", batch_first=True),
}


class Model(nn.Module):
    """All steps, and the last states."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.inner, self.layer = nn.Linear(4, WIDTH), LAYERS[name]()
        width = HIDDEN * (1 + self.layer.bidirectional)
        self.steps, self.last = nn.Linear(width, 3), nn.Linear(HIDDEN, 3)

    def forward(self, x: Any) -> Any:
        found, states = self.layer(torch.tanh(self.inner(x)))
        last = states if isinstance(states, torch.Tensor) else states[0] + 0.5 * states[1]
        return self.steps(found).mean((0, 1)) + self.last(last).mean((0, 1))


def error(found: Any, wanted: Any) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())


def check(name: str, shape: tuple[int, int], engine: Any) -> None:
    torch.manual_seed(0)
    model, x, y = Model(name), torch.randn(BATCH, SEQ, 4), torch.randn(3)
    step = compile_training(model, F.mse_loss, None, (x, y), Wafer("wse3", shape), engine=engine)
    loss = F.mse_loss(model(x), y)
    loss.backward()
    assert step(x, y) == pytest.approx(loss.item(), rel=TOLERANCE)
    gradients = step.gradients()
    assert set(gradients) == {n for n, _ in model.named_parameters()}
    largest = max(float(p.grad.abs().max()) for p in model.parameters())
    for parameter, gradient in gradients.items():
        wanted = dict(model.named_parameters())[parameter].grad
        off = float((gradient - wanted).abs().max())
        assert off < 2 * TOLERANCE * max(float(wanted.abs().max()), 0.01 * largest), parameter


@pytest.mark.parametrize("shape", ((3, 2), (4, 4)), ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_gradients(name: str, shape: tuple[int, int]) -> None:
    check(name, shape, "numpy")


@pytest.mark.parametrize("name", ("lstm", "gru"))
def test_on_the_wafer(name: str) -> None:
    check(name, (3, 2), "fast")


class Tagger(nn.Module):
    """Ids to a class a token."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.out = nn.Embedding(11, 8), nn.Linear(12, 11)
        self.lstm = nn.LSTM(8, 12, batch_first=True)

    def forward(self, ids: Any) -> Any:
        return self.out(self.lstm(self.embed(ids))[0])


def test_a_language_model_learns() -> None:
    torch.manual_seed(0)
    model = Tagger()
    ids = torch.arange(22).remainder(11).reshape(2, 11)[:, :7]
    optimizer = torch.optim.Adam(model.parameters(), 0.03)

    def loss(x: Any, y: Any) -> Any:
        return F.cross_entropy(x.flatten(0, 1), y.flatten())

    step = compile_training(
        model, loss, optimizer, (ids[:, :-1], ids[:, 1:]), Wafer("wse3", (3, 2)), engine="numpy"
    )
    losses = [step(ids[:, :-1], ids[:, 1:]) for _ in range(30)]
    assert losses[-1] < 0.2 * losses[0]
    step.sync()
    found = compile(model, (ids,), Wafer("wse3", (4, 4)), engine="numpy")(ids)
    assert error(found, model(ids).detach()) < TOLERANCE


def test_first_states_of_the_user() -> None:
    class Decoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru, self.start = nn.GRU(WIDTH, HIDDEN, batch_first=True), nn.Linear(5, HIDDEN)

        def forward(self, x: Any, y: Any) -> Any:
            return self.gru(x, torch.tanh(self.start(y))[None])[0]

    torch.manual_seed(0)
    model, inputs = Decoder(), (torch.randn(BATCH, SEQ, WIDTH), torch.randn(BATCH, 5))
    found = compile(model, inputs, Wafer("wse3", (3, 2)), engine="numpy")(*inputs)
    assert error(found, model(*inputs).detach()) < TOLERANCE


def test_projections_are_refused() -> None:
    layer = nn.LSTM(WIDTH, HIDDEN, proj_size=3, batch_first=True)
    with pytest.raises(DiagnosticError, match="without a projection"):
        compile(layer, (torch.ones(BATCH, SEQ, WIDTH),), Wafer("wse3", (2, 2)), engine="numpy")
