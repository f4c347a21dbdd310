"""`openwafer train`, `generate` and `demo`, as a user calls them."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra `torch`")

from cli_samples import SOURCE

from openwafer.cli._errors import run_command
from openwafer.cli._main import _group
from openwafer.nn.text import documentation
from patience import PATIENCE_S

pytestmark = pytest.mark.torch
SMALL = [
    "--layers=1", "--hidden=8", "--heads=2", "--ffn=16", "--context=8", "--shape=2x2", "--learning-rate=1e-2",
]  # fmt: skip


def call(*args: object) -> int:
    return run_command(_group, "openwafer", [str(a) for a in args])


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(documentation("bltin-null-object"), "utf-8")
    return path


def test_train_then_generate(tmp_path: Path, text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "model"
    assert call("train", "--text", text, "--out", out, "--steps=5", "--format=json", *SMALL) == 0
    trained = json.loads(capsys.readouterr().out)
    assert trained["steps"] == 5 and len(trained["losses"]) == 5 and 0 < trained["utilisation"] <= 1
    assert sorted(p.name for p in out.iterdir()) == [
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    arguments = ("generate", out, "--prompt=This is", "--tokens=20", "--shape=2x2")
    assert call(*arguments, "--format=json") == 0
    written = json.loads(capsys.readouterr().out)
    assert written["tokens"] == 20 and written["cycles_per_token"] > 0
    assert call(*arguments) == 0
    said = capsys.readouterr()
    assert said.out == f"This is{written['text']}\n" and "tokens/s" in said.err


def test_a_machine_of_ones_own(
    tmp_path: Path, text: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training and generation have its facts, and a checkpoint finds its file from another directory."""
    fact = '{ value = 40, unit = "cycles", source = "what if", status = "assumed" }'
    (tmp_path / "far.toml").write_text(f'base = "wse3"\n[fabric]\nhop_cycles = {fact}\n', "utf-8")
    monkeypatch.chdir(tmp_path)
    cycles: list[int] = []
    for machine, out in (("wse3", "near"), ("far.toml", "far")):
        options = (f"--machine={machine}", "--format=json")
        assert call("train", "--text", text, "--out", out, "--steps=2", *options, *SMALL) == 0
        cycles.append(json.loads(capsys.readouterr().out)["cycles"])
        arguments = ("generate", out, "--prompt=This is", "--tokens=2", "--shape=2x2")
        assert call(*arguments, *options) == 0
        cycles.append(json.loads(capsys.readouterr().out)["cycles"])
    assert cycles[2] > cycles[0] and cycles[3] > cycles[1]


def test_transformers_reads_what_was_trained(tmp_path: Path, text: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="needs the extra `dev`")
    import torch

    out = tmp_path / "model"
    assert call("train", "--text", text, "--out", out, "--steps=2", "--format=json", *SMALL) == 0
    model = transformers.AutoModelForCausalLM.from_pretrained(out)
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    ids = tokenizer("This is", return_tensors="pt")["input_ids"]
    assert torch.isfinite(model(ids).logits).all() and tokenizer.decode(ids[0]) == "This is"


STOPPED = """
import os, sys
from openwafer.cli import main
from openwafer.nn.text._trainer import Trainer

save, number = Trainer.save, int(sys.argv.pop(1))

def save_and_stop(self, directory):
    save(self, directory)
    os.kill(os.getpid(), number)

Trainer.save = save_and_stop
main()
"""
"""The command, which gets a signal right behind its first checkpoint."""


def stopped(number: int, *args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", STOPPED, str(int(number)), *map(str, args)], check=False,
        env=os.environ | {"PYTHONPATH": SOURCE}, capture_output=True, text=True, timeout=PATIENCE_S,
    )  # fmt: skip


@pytest.mark.parametrize("number", (signal.SIGKILL, signal.SIGINT), ids=("killed", "interrupted"))
def test_a_run_that_is_stopped_goes_on(
    tmp_path: Path, text: Path, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = ("--steps=60", "--save-every=5", "--format=json", *SMALL)
    assert call("train", "--text", text, "--out", tmp_path / "whole", *steps) == 0
    wanted = json.loads(capsys.readouterr().out)["losses"]
    out = tmp_path / "stopped"
    done = stopped(number, "train", "--text", text, "--out", out, *steps)
    assert done.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 130), done.stderr
    assert number == signal.SIGKILL or "--resume" in done.stderr
    assert list(out.glob("checkpoint-*"))
    assert not (out / "model.safetensors").exists()
    assert call("train", "--text", text, "--out", out, "--resume", "--format=json") == 0
    assert json.loads(capsys.readouterr().out)["losses"] == wanted
    assert (out / "model.safetensors").read_bytes() == (tmp_path / "whole/model.safetensors").read_bytes()


def test_the_demonstration(text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("demo", "--text", text, "--steps=3", "--format=json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["loss_error"] < 1e-4 and report["logit_error"] < 1e-5
    assert report["shape"] == [8, 8] and sum(report["phases"].values()) > 0


def empty(path: Path) -> None:
    path.write_text(" \n")


def no_text(path: Path) -> None:
    path.write_bytes(b"one\ntwo\xff\n")


@pytest.mark.parametrize(
    "damage, words",
    ((Path.unlink, "text-unreadable"), (empty, "text-empty"), (no_text, "byte 7 (line 2) is 0xff")),
    ids=("missing", "empty", "no UTF-8"),
)
def test_texts_that_cannot_be_read(
    tmp_path: Path, text: Path, damage: object, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(text)  # type: ignore[operator]
    assert call("train", "--text", text, "--out", tmp_path / "out", *SMALL) == 1
    assert words in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_wrong_calls(tmp_path: Path, text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert call("train", "--text", text, "--out", out, "--resume") == 1
    assert "no-checkpoint" in capsys.readouterr().err
    assert call("train", "--text", text, "--out", tmp_path) == 1
    assert "out-exists" in capsys.readouterr().err
    assert call("train", "--text", text, "--out", out, "--heads=7") == 2
    assert "do not divide" in capsys.readouterr().err
    assert call("train", "--text", text, "--out", out, "--tokenizer=words") == 2
    assert call("train", "--text", text, "--out", out, "--shape=8") == 2
    assert call("generate", out, "--prompt=a") == 1
    assert "config-unreadable" in capsys.readouterr().err


def test_outputs_that_cannot_be(tmp_path: Path, text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def told(out: Path, *more: str) -> str:
        assert call("train", "--text", text, "--out", out, *SMALL, *more) == 1
        return capsys.readouterr().err

    file = tmp_path / "file"
    file.write_text("mine")
    assert "out-exists" in told(file) and "no-checkpoint" in told(file, "--resume")
    assert "out-cannot-write" in told(file / "out") and file.read_text() == "mine"
    assert "no-checkpoint" in told(tmp_path / "none", "--resume") and not (tmp_path / "none").exists()
    held = tmp_path / "held"
    held.mkdir()
    with (held / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "out-busy" in told(held) and "out-busy" in told(held, "--resume")
    ended = tmp_path / "ended"
    ended.mkdir()
    for name in ("model.safetensors", "config.json"):
        (ended / name).write_bytes(b"")
    assert "training-ended" in told(ended, "--resume") and "out-exists" in told(ended)


@pytest.mark.parametrize("option", ["--learning-rate=nan", "--weight-decay=inf", "--layers=100000000",
                                    "--hidden=2000000", "--seed=-1", "--batch=100000000"])  # fmt: skip
def test_numbers_out_of_bounds(tmp_path: Path, text: Path, option: str) -> None:
    assert call("train", "--text", text, "--out", tmp_path / "out", *SMALL, option) == 2
    assert not (tmp_path / "out").exists()


def test_a_model_larger_than_the_wafer(
    tmp_path: Path, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large = ("--hidden=100000", "--heads=8", "--layers=50")
    assert call("train", "--text", text, "--out", tmp_path / "out", *large) == 1
    assert "model-does-not-fit" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_wrong_prompts(tmp_path: Path, text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "model"
    assert call("train", "--text", text, "--out", out, "--steps=1", "--format=json", *SMALL) == 0
    capsys.readouterr()
    for prompt, id in (("a@", "not-in-vocabulary"), ("", "prompt-empty"), ("This is more", "context-full")):
        assert call("generate", out, "--prompt", prompt, "--shape=2x2") == 1
        assert id in capsys.readouterr().err
    (out / "tokenizer.json").unlink()
    assert call("generate", out, "--prompt=a") == 1
    assert "no-tokenizer" in capsys.readouterr().err
