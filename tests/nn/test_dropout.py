"""Dropout: masks are as random as they should be and the same in both passes; gradients are PyTorch's with
these masks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `torch`")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from openwafer.diag import DiagnosticError  # noqa: E402
from openwafer.nn import Wafer, compile, compile_training  # noqa: E402
from openwafer.nn.kernels._dropout import mask_bits  # noqa: E402
from openwafer.nn.run._dropout_seed import HIGH, LIMITS, LOW, draws  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
BATCH, SEQ, WIDTH, HEADS = 2, 7, 18, 3
TOLERANCE = 2e-5


def stays(share: float, rows: np.ndarray, tokens: int, layer: int = 1, step: int = 1, seed: int = 5) -> Any:
    words = draws(seed, step)
    bits = mask_bits(rows, tokens, layer, int(words[LOW]), int(words[HIGH]))
    return bits >= round(share * LIMITS)


# --- masks ---


@pytest.mark.parametrize("share", (0.1, 0.5))
def test_as_many_are_dropped_as_should_be(share: float) -> None:
    """Of all, of each token, and of each row: within five standard deviations, which are not too small."""
    kept = stays(share, np.arange(4096), 256)
    deviation = math.sqrt(share * (1 - share))
    assert abs(kept.mean() - (1 - share)) < 5 * deviation / 1024
    assert abs(kept.mean(0) - (1 - share)).max() < 5 * deviation / 64
    rows = (kept.mean(1) - (1 - share)) / (deviation / 16)
    assert abs(rows).max() < 6 and 0.9 < rows.var() < 1.1


@pytest.mark.parametrize("share", (0.1, 0.5))
def test_elements_do_not_depend_on_each_other(share: float) -> None:
    """Correlations between tokens, rows, layers, steps and seeds: those of independent numbers."""
    kept = (stays(share, np.arange(8192), 128) - (1 - share)) / math.sqrt(share * (1 - share))
    between_tokens = (kept.T @ kept / math.sqrt(8192))[np.triu_indices(128, 1)]
    assert abs(between_tokens).max() < 5.5 and 0.9 < between_tokens.var() < 1.1
    some = kept[:2048] / np.sqrt((kept[:2048] ** 2).mean())
    between_rows = (some @ some.T / math.sqrt(128))[np.triu_indices(2048, 1)]
    assert 0.99 < between_rows.var() < 1.01
    for other in ({"layer": 2}, {"step": 2}, {"seed": 6}):
        changed = (stays(share, np.arange(8192), 128, **other) - (1 - share)) / math.sqrt(share * (1 - share))
        assert abs((kept * changed).sum()) < 5 * math.sqrt(kept.size)


def test_words_of_steps_differ() -> None:
    words = {tuple(draws(seed, step).values()) for seed in range(20) for step in range(1, 200)}
    assert len(words) == 20 * 199


# --- models ---


class Masks:
    """PyTorch's dropout with the masks of the wafer, in the order in which they are asked for."""

    def __init__(self, seed: int, step: int) -> None:
        self.words, self.layer = {"seed": seed, "step": step}, 0

    def dropout(self, x: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
        """[batch, seq, features]: a row a feature, a token a position of all texts."""
        if not training or p == 0:
            return x
        self.layer += 1
        kept = stays(p, np.arange(x.shape[-1]), x.numel() // x.shape[-1], self.layer, **self.words)
        return x * torch.from_numpy(kept.T.reshape(x.shape)) / (1 - round(p * LIMITS) / LIMITS)

    def attention(
        self, q: Any, k: Any, v: Any, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
        **_: Any,
    ) -> Any:  # fmt: skip
        """A row is a key of a head."""
        self.layer += 1
        b, h, t, d = q.shape
        weights = q @ k.transpose(-2, -1) / math.sqrt(d)
        if is_causal:
            weights = weights.masked_fill(torch.ones(t, t).triu(1).bool(), float("-inf"))
        kept = stays(dropout_p, np.arange(h * t), b * t, self.layer, **self.words)
        kept = torch.from_numpy(kept.reshape(h, t, b, t).transpose(2, 0, 3, 1).copy())
        return (weights.softmax(-1) * kept / (1 - round(dropout_p * LIMITS) / LIMITS)) @ v


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch) -> Any:
    def patched(masks: Masks) -> None:
        monkeypatch.setattr(F, "dropout", masks.dropout)
        monkeypatch.setattr(F, "scaled_dot_product_attention", masks.attention)

    return patched


class Mlp(nn.Module):
    def __init__(self, p: float = 0.3) -> None:
        super().__init__()
        self.a, self.b, self.drop = nn.Linear(6, WIDTH), nn.Linear(WIDTH, 5), nn.Dropout(p)

    def forward(self, x: Any) -> Any:
        return self.b(self.drop(torch.relu(self.a(self.drop(x)))))


class Attending(nn.Module):
    """As nanoGPT: dropout of the weights of attention, of what it gives, and of an MLP."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out, self.into = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, 5), nn.Linear(6, WIDTH)
        self.drop, self.p = nn.Dropout(0.2), 0.25

    def forward(self, x: Any) -> Any:
        x = self.drop(self.into(x))
        b, t, c = x.shape
        q, k, v = (z.view(b, t, HEADS, c // HEADS).transpose(1, 2) for z in self.qkv(x).split(c, -1))
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=self.p if self.training else 0, is_causal=True)
        return self.out(x + self.drop(y.transpose(1, 2).reshape(b, t, c)))


class WrittenOut(Attending):
    """The same with a softmax and products."""

    def forward(self, x: Any) -> Any:
        x = self.drop(self.into(x))
        b, t, c = x.shape
        q, k, v = (z.view(b, t, HEADS, c // HEADS).transpose(1, 2) for z in self.qkv(x).split(c, -1))
        weights = q @ k.transpose(-2, -1) / math.sqrt(c // HEADS)
        weights = weights.masked_fill(torch.ones(t, t).tril() == 0, float("-inf"))
        y = F.dropout(weights.softmax(-1), self.p, self.training) @ v
        return self.out(x + self.drop(y.transpose(1, 2).reshape(b, t, c)))


class Encoder(nn.Module):
    """PyTorch's own layer, whose dropout is 0.1 unless one says otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.out = nn.Linear(6, WIDTH), nn.Linear(WIDTH, 5)
        self.layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 24, batch_first=True)

    def forward(self, x: Any) -> Any:
        return self.out(self.layer(self.into(x)))


MODELS = {"mlp": Mlp, "attention": Attending, "written out": WrittenOut, "encoder": Encoder}


def batch() -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(1)
    return (torch.randn(BATCH, SEQ, 6, generator=generator), torch.randn(BATCH, SEQ, 5, generator=generator))


def make(name: str) -> Any:
    torch.manual_seed(0)
    return MODELS[name]()


def trained(model: Any, shape: tuple[int, int], engine: Any = "numpy", optimizer: Any = None) -> Any:
    return compile_training(model, F.mse_loss, optimizer, batch(), Wafer("wse3", shape), engine=engine)


def check(name: str, shape: tuple[int, int], engine: Any, patch: Any, steps: int = 2) -> None:
    """Loss and gradients of each step, without an update."""
    model = make(name)
    step = trained(model, shape, engine)
    found = []
    for _ in range(steps):
        found.append((step(*batch()), step.gradients()))
    x, y = batch()
    reference = make("attention") if name == "written out" else model
    for i, (loss, gradients) in enumerate(found):
        masks = Masks(torch.initial_seed(), i + 1)
        patch(masks)
        reference.zero_grad()
        wanted = F.mse_loss(reference(x), y)
        wanted.backward()
        assert masks.layer > 1
        assert loss == pytest.approx(wanted.item(), rel=TOLERANCE)
        largest = max(float(p.grad.abs().max()) for p in reference.parameters())
        for parameter, p in reference.named_parameters():
            off = float((gradients[parameter] - p.grad).abs().max())
            assert off < TOLERANCE * max(float(p.grad.abs().max()), 0.01 * largest), parameter
    assert found[0][0] != found[1][0]


@pytest.mark.parametrize("shape", ((3, 2), (4, 4)), ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_those_of_the_masked_model(name: str, shape: tuple[int, int], patch: Any) -> None:
    check(name, shape, "numpy", patch)


@pytest.mark.parametrize("name", ("attention",))
def test_on_the_wafer(name: str, patch: Any) -> None:
    check(name, (3, 2), "fast", patch)


def test_no_dropout_is_the_model_without() -> None:
    losses = [trained(model, (3, 2))(*batch()) for model in (make_with(0.0), make_with(0.3).eval())]
    assert losses[0] == losses[1]
    assert trained(make_with(0.3), (3, 2))(*batch()) != losses[0]


def make_with(p: float) -> Any:
    torch.manual_seed(0)
    return Mlp(p)


def test_all_dropped() -> None:
    """Only the last bias is left."""
    model = make_with(1.0)
    loss = trained(model, (3, 2))(*batch())
    assert loss == pytest.approx(F.mse_loss(model(batch()[0]), batch()[1]).item(), rel=1e-5)


def test_a_training_that_goes_on_has_the_same_masks() -> None:
    def started() -> tuple[Any, Any]:
        model = make("mlp")
        return model, trained(model, (3, 2), optimizer=torch.optim.AdamW(model.parameters(), 0.01))

    model, whole = started()
    losses = [whole(*batch()) for _ in range(2)]
    state = whole.state()
    whole.sync()
    weights = {name: p.clone() for name, p in model.state_dict().items()}
    losses += [whole(*batch()) for _ in range(2)]
    torch.manual_seed(77)
    again = Mlp()
    again.load_state_dict(weights)
    torch.manual_seed(78)
    step = trained(again, (3, 2), optimizer=torch.optim.AdamW(again.parameters(), 0.01))
    step.restore(state)
    assert [step(*batch()) for _ in range(2)] == losses[2:]


def test_a_seed_of_its_own() -> None:
    losses = []
    for seed in (1, 2, 1):
        model = make("mlp")
        torch.manual_seed(seed)
        losses.append(trained(model, (3, 2))(*batch()))
    assert losses[0] == losses[2] != losses[1]


def test_learning_with_dropout() -> None:
    """PyTorch's own encoder layer, as one creates it."""
    model = make("encoder")
    step = trained(model, (3, 2), optimizer=torch.optim.AdamW(model.parameters(), 0.01))
    losses = [step(*batch()) for _ in range(40)]
    assert np.mean(losses[-5:]) < 0.5 * losses[0]
    step.sync()
    found = compile(model.eval(), batch()[:1], Wafer("wse3", (3, 2)), engine="numpy")(batch()[0])
    assert F.mse_loss(found, batch()[1]) < 0.4 * losses[0]


def test_a_model_in_training_is_not_compiled_for_inference() -> None:
    with pytest.raises(DiagnosticError, match="dropout is for training"):
        compile(make("mlp"), batch()[:1], Wafer("wse3", (2, 2)), engine="numpy")
