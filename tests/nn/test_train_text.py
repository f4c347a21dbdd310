"""Training on text: batches, checkpoints that resume to the bit, where NaN comes from."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `torch`")

from safetensors.numpy import load_file, save_file  # noqa: E402

from openwafer.cli.train import make_config  # noqa: E402
from openwafer.diag import DiagnosticError  # noqa: E402
from openwafer.nn import Wafer, compile_training  # noqa: E402
from openwafer.nn.models import Checkpoint  # noqa: E402
from openwafer.nn.text import (  # noqa: E402
    Corpus,
    Recipe,
    byte_pairs,
    characters,
    checkpoints,
    documentation,
    encode,
)
from openwafer.nn.text._sums import SUMS_FILE, sums_of  # noqa: E402
from openwafer.nn.text._trainer import Trainer, new_model, next_token_loss, optimizer_for  # noqa: E402

pytestmark = pytest.mark.torch
TEXT = documentation("bltin-null-object")
RECIPE = Recipe(steps=6, batch=2, context=6, warmup=2, learning_rate=1e-2, seed=3)
WAFER = Wafer("wse3", (2, 2))


def corpus_of(tokenizer: Any, text: str = TEXT) -> Corpus:
    return Corpus(np.array(encode(tokenizer, text), np.int64))


def make_trainer(kind: str = "llama", recipe: Recipe = RECIPE) -> Trainer:
    tokenizer = characters(TEXT)
    config = make_config(
        tokenizer.get_vocab_size(), kind=kind, layers=1, hidden=8, heads=2, kv_heads=None, ffn=16,
        context=recipe.context,
    )  # fmt: skip
    checkpoint = Checkpoint(config, new_model(config, recipe.seed), tokenizer)
    return Trainer(checkpoint, corpus_of(tokenizer), recipe, WAFER)


@pytest.mark.parametrize("kind", ("llama", "qwen2", "qwen3", "gpt2"))
def test_losses_are_those_of_pytorch(kind: str) -> None:
    trainer = make_trainer(kind)
    model = new_model(trainer.checkpoint.config, RECIPE.seed)
    optimizer = optimizer_for(model, RECIPE)
    for step in range(1, RECIPE.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = RECIPE.rate(step)
        ids, wanted = trainer.batch(step)
        loss = next_token_loss(model(ids), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert trainer.advance() == pytest.approx(loss.item(), rel=1e-4)


def weights(trainer: Trainer) -> dict[str, np.ndarray[Any, Any]]:
    trainer.compiled.sync()
    return {n: p.detach().numpy().copy() for n, p in trainer.checkpoint.model.named_parameters()}


def test_a_resumed_run_goes_on_to_the_bit(tmp_path: Path) -> None:
    whole = make_trainer()
    for _ in range(RECIPE.steps):
        whole.advance()
    first = make_trainer()
    for _ in range(4):
        first.advance()
    path = first.save(tmp_path)
    assert path == checkpoints.newest(tmp_path) and path.name == "checkpoint-4"
    second = Trainer.resume(path, corpus_of(first.checkpoint.tokenizer))
    assert second.losses == first.losses and second.recipe == RECIPE
    for _ in range(2):
        second.advance()
    assert second.losses == whole.losses
    wanted = weights(whole)
    assert all(np.array_equal(w, wanted[name]) for name, w in weights(second).items())


def test_only_the_newest_checkpoint_stays(tmp_path: Path) -> None:
    trainer = make_trainer()
    (tmp_path / ".checkpoint-killed").mkdir(parents=True)
    for _ in range(2):
        trainer.advance()
        trainer.save(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint-2"]


def sum_again(path: Path) -> None:
    """What somebody does who edits a checkpoint on purpose."""
    files = {p.name: p.read_bytes() for p in path.iterdir() if p.name != SUMS_FILE}
    (path / SUMS_FILE).write_bytes(sums_of(files))


def test_wrong_checkpoints(tmp_path: Path) -> None:
    trainer = make_trainer()
    trainer.advance()
    path = trainer.save(tmp_path)
    with pytest.raises(DiagnosticError, match="text-changed"):
        Trainer.resume(path, corpus_of(trainer.checkpoint.tokenizer, TEXT[:100]))
    facts = json.loads((path / checkpoints.FACTS_FILE).read_text())
    for changes, id in (
        ({"shape": [3, 2]}, "state-mismatch"), ({"shape": [0, -2]}, "wafer-shape"),
        ({"losses": []}, "checkpoint-unreadable"), ({"losses": ["one"]}, "checkpoint-unreadable"),
        ({"recipe": facts["recipe"] | {"batch": 0}}, "checkpoint-unreadable"),
        ({"recipe": None}, "checkpoint-unreadable"),
    ):  # fmt: skip
        (path / checkpoints.FACTS_FILE).write_text(json.dumps(facts | changes))
        sum_again(path)
        with pytest.raises(DiagnosticError, match=id):
            Trainer.resume(path, corpus_of(trainer.checkpoint.tokenizer))


def test_states_of_another_model(tmp_path: Path) -> None:
    trainer = make_trainer()
    trainer.advance()
    path = trainer.save(tmp_path)
    state = load_file(path / checkpoints.STATE_FILE)
    some = next(name for name in state if state[name].ndim > 1)
    for changed in (
        {name: array for name, array in state.items() if name != some},
        {name: array for name, array in state.items() if array.ndim > 1},
        state | {some: state[some][..., :1]},
        state | {some: state[some].astype(np.float64)},
    ):
        save_file(changed, path / checkpoints.STATE_FILE)
        sum_again(path)
        with pytest.raises(DiagnosticError, match="state-mismatch"):
            Trainer.resume(path, corpus_of(trainer.checkpoint.tokenizer))


def change_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def to_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def to_device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


DAMAGES = (change_a_bit, lambda p: p.write_bytes(p.read_bytes()[:-3]), Path.unlink, to_pipe, to_device)


@pytest.mark.parametrize("damage", DAMAGES, ids=("a bit", "cut", "gone", "a pipe", "a device"))
def test_damaged_checkpoints(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    trainer = make_trainer()
    trainer.advance()
    for name in (*checkpoints.FILES, SUMS_FILE):
        path = trainer.save(tmp_path)
        damage(path / name)
        with pytest.raises(DiagnosticError, match="checkpoint-unreadable"):
            checkpoints.read(path)
    assert checkpoints.read(trainer.save(tmp_path))[1].losses == trainer.losses


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    trainer = make_trainer()
    trainer.advance()
    path = trainer.save(tmp_path)
    trainer.advance()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        with pytest.raises(DiagnosticError, match="checkpoint-cannot-write") as failure:
            trainer.save(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert failure.value.diagnostics[0].help == "free some space, then give the same command again"
    assert list(tmp_path.iterdir()) == [path] and checkpoints.read(path)[1].losses == trainer.losses[:1]


def test_batches_are_windows_of_the_text() -> None:
    corpus = Corpus(np.arange(50))
    ids, wanted = corpus.batch(7, 3, 10, 1)
    assert ids.shape == wanted.shape == (3, 10)
    assert np.array_equal(ids + 1, wanted) and np.array_equal(ids, corpus.batch(7, 3, 10, 1)[0])
    assert not np.array_equal(ids, corpus.batch(8, 3, 10, 1)[0])
    last = {int(corpus.batch(s, 8, 49, 0)[1].max()) for s in range(3)}
    assert last == {49}
    with pytest.raises(DiagnosticError, match="text-short"):
        corpus.batch(1, 1, 50, 0)


@pytest.mark.parametrize("make", (characters, lambda text: byte_pairs(text, 300)), ids=("characters", "bpe"))
def test_tokenizers_give_the_text_back(make: Any) -> None:
    tokenizer = make(TEXT)
    ids = encode(tokenizer, TEXT)
    assert tokenizer.decode(ids) == TEXT and max(ids) < tokenizer.get_vocab_size()


def test_characters_that_a_tokenizer_does_not_know() -> None:
    with pytest.raises(DiagnosticError, match="'@'"):
        encode(characters("abc"), "a@b")


def test_rates_rise_and_fall() -> None:
    recipe = Recipe(steps=100, warmup=10, learning_rate=1.0, final=0.1)
    assert recipe.rate(5) == 0.5 and recipe.rate(10) == 1.0
    assert recipe.rate(100) == pytest.approx(0.1) and recipe.rate(55) == pytest.approx(0.55)


class TwoLayers(torch.nn.Module):
    """The second layer divides by its input, which may be zero."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(4, 4)
        self.second = torch.nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        return self.second(torch.nn.functional.gelu(self.first(x)))


def test_what_is_not_finite_names_step_and_layer() -> None:
    torch.manual_seed(0)
    model = TwoLayers()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    x, y = torch.randn(3, 4), torch.zeros(3, 4)
    step = compile_training(model, torch.nn.functional.mse_loss, optimizer, (x, y), WAFER)
    step(x, y)
    step(x, y)
    with pytest.raises(DiagnosticError) as caught:
        step(x * torch.tensor([1, float("inf"), 1, 1]), y)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.id == "not-finite" and "step 3" in diagnostic.message
    assert "step 3, `first`: " in diagnostic.notes[0]


def test_weights_that_burst_are_blamed_on_the_step_that_made_them() -> None:
    torch.manual_seed(0)
    model = TwoLayers()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    x, y = torch.randn(3, 4), torch.zeros(3, 4)
    step = compile_training(model, torch.nn.functional.mse_loss, optimizer, (x, y), WAFER)
    step(x, y)
    optimizer.param_groups[0]["lr"] = float("inf")
    step(x, y)
    with pytest.raises(DiagnosticError) as caught:
        step(x, y)
    assert "step 2" in caught.value.diagnostics[0].notes[0]
    assert "`sgd` into `model.second." in caught.value.diagnostics[0].notes[0]
