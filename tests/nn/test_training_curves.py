"""Training on the wafer is PyTorch's training: gradients and losses of the models of `transformers`, and the
accuracy on handwritten digits."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `torch`")
transformers = pytest.importorskip("transformers", reason="needs the extra `dev`")

from torch import nn  # noqa: E402
from torch_models import next_token_loss  # noqa: E402

from openwafer.nn import Wafer, compile, compile_training  # noqa: E402
from openwafer.nn.models import load  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
VOCABULARY, BATCH, TOKENS = 29, 2, 8
ROTARY: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 32,
}  # fmt: skip
GPT2: dict[str, Any] = {
    "vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 32,
    "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0,
}  # fmt: skip
KINDS: dict[str, Callable[[], Any]] = {
    "llama": lambda: transformers.LlamaForCausalLM(transformers.LlamaConfig(**ROTARY)),
    "qwen2": lambda: transformers.Qwen2ForCausalLM(
        transformers.Qwen2Config(**ROTARY, tie_word_embeddings=True)
    ),
    "qwen3": lambda: transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**ROTARY, head_dim=8)),
    "gpt2": lambda: transformers.GPT2LMHeadModel(transformers.GPT2Config(**GPT2)),
}


def pair(kind: str, directory: Path) -> tuple[Any, Any]:
    """The same model twice: ours, read from the directory, and that of `transformers`."""
    torch.manual_seed(0)
    theirs = KINDS[kind]()
    theirs.save_pretrained(directory)
    return load(directory).model, theirs.train()


def batches() -> Iterator[tuple[Any, Any]]:
    """Pieces of a text of repeated words."""
    random = torch.Generator().manual_seed(0)
    words = [torch.randint(0, VOCABULARY, (n,), generator=random) for n in (3, 4, 5, 6, 7)]
    text = torch.cat([words[i] for i in torch.randint(0, 5, (300,), generator=random)])
    while True:
        starts = torch.randint(0, len(text) - TOKENS - 1, (BATCH,), generator=random).tolist()
        yield (
            torch.stack([text[s : s + TOKENS] for s in starts]),
            torch.stack([text[s + 1 : s + TOKENS + 1] for s in starts]),
        )


def check_gradients(kind: str, directory: Path, shape: tuple[int, int], engine: Any) -> None:
    ours, theirs = pair(kind, directory)
    ids, labels = next(batches())
    step = compile_training(ours, next_token_loss, None, (ids, labels), Wafer("wse3", shape), engine=engine)
    found = step(ids, labels)
    wanted = next_token_loss(theirs(ids).logits, labels)
    wanted.backward()
    assert found == pytest.approx(wanted.item(), rel=1e-5)
    named = dict(theirs.named_parameters(remove_duplicate=False))
    gradients = step.gradients()
    assert {id(named[name]) for name in gradients} == {id(p) for p in theirs.parameters()}
    for name, gradient in gradients.items():
        right = named[name].grad
        assert float((gradient - right).abs().max() / right.abs().max()) < 1e-4, name


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_every_parameter_by_definition(tmp_path: Path, kind: str) -> None:
    check_gradients(kind, tmp_path, (5, 3), "numpy")


def test_gradients_of_every_parameter_on_the_wafer(tmp_path: Path) -> None:
    check_gradients("qwen2", tmp_path, (4, 4), "fast")


@pytest.mark.slow
@pytest.mark.parametrize("shape", ((4, 4), (7, 5), (16, 16)), ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_on_all_meshes(tmp_path: Path, kind: str, shape: tuple[int, int]) -> None:
    check_gradients(kind, tmp_path, shape, "fast")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_hundred_losses(tmp_path: Path, kind: str) -> None:
    """AdamW, a batch of its own each step: within 1e-3 of PyTorch, though errors grow from step to step."""
    ours, theirs = pair(kind, tmp_path)
    stream = batches()
    example = next(stream)
    optimizers = [torch.optim.AdamW(m.parameters(), lr=2e-3) for m in (ours, theirs)]
    step = compile_training(ours, next_token_loss, optimizers[0], example, Wafer("wse3", (4, 4)))
    losses: list[float] = []
    for _ in range(100):
        ids, labels = next(stream)
        optimizers[1].zero_grad()
        wanted = next_token_loss(theirs(ids).logits, labels)
        wanted.backward()
        optimizers[1].step()
        losses.append(step(ids, labels))
        assert losses[-1] == pytest.approx(wanted.item(), rel=1e-3), len(losses)
    assert sum(losses[-10:]) < 0.6 * sum(losses[:10])


def digits() -> tuple[Any, Any]:
    from sklearn.datasets import load_digits

    data = load_digits()
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(0))
    return torch.tensor(data.data / 16, dtype=torch.float32)[order], torch.tensor(data.target)[order]


def test_digits_are_learned_as_well_as_by_pytorch() -> None:
    """Trained and tested on the wafer: as many of the 297 pictures kept back are read as PyTorch reads."""
    pytest.importorskip("sklearn", reason="needs the extra `dev`")
    pictures, labels = digits()
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    theirs = copy.deepcopy(ours)
    size, kept = 60, pictures[1500:]
    optimizers = [torch.optim.AdamW(m.parameters(), lr=5e-3) for m in (ours, theirs)]
    loss, wafer = nn.functional.cross_entropy, Wafer("wse3", (4, 4))
    step = compile_training(ours, loss, optimizers[0], (pictures[:size], labels[:size]), wafer)
    for start in [*range(0, 1500, size)] * 4:
        x, y = pictures[start : start + size], labels[start : start + size]
        optimizers[1].zero_grad()
        loss(theirs(x), y).backward()
        optimizers[1].step()
        step(x, y)
    step.sync()
    found = compile(ours, (kept,), wafer)(kept).argmax(1)
    wanted = theirs(kept).argmax(1)
    right, by_pytorch = (int((guess == labels[1500:]).sum()) for guess in (found, wanted))
    assert right >= by_pytorch - 1 and by_pytorch > 0.9 * len(kept)
