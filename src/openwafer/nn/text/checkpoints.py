"""Checkpoints of a training: `checkpoint-STEP/`, a Hugging Face directory with the optimiser's states."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from openwafer.diag import error
from openwafer.files import MIB, flush_folder, read_text, write_bytes, writing
from openwafer.machine import Machine
from openwafer.nn.models import Checkpoint, contents, load
from openwafer.nn.text._corpus import Corpus
from openwafer.nn.text._recipe import Recipe
from openwafer.nn.text._sums import SUMS_FILE, check_sums, sums_of

STATE_FILE, FACTS_FILE = "training.safetensors", "training.json"
FILES = ("config.json", "model.safetensors", "tokenizer.json", STATE_FILE, FACTS_FILE)
UNREADABLE, CANNOT_WRITE = "checkpoint-unreadable", "checkpoint-cannot-write"
MOST_FACTS_BYTES = 1024 * MIB
"""Of the losses of all steps, mostly."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a training is, besides the model: `losses` of the steps so far, the digest of the `text`; the
    machine's name or file, and the hash of its facts."""

    recipe: Recipe
    losses: list[float]
    shape: tuple[int, int]
    machine: str
    text: str
    machine_hash: str = ""


def newest(directory: Path) -> Path | None:
    """The checkpoint of the latest step; None if there is none."""
    return max(_checkpoints(directory), key=_step, default=None)


def _checkpoints(directory: Path) -> list[Path]:
    return [p for p in directory.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", p.name)]


def _step(path: Path) -> int:
    return int(path.name.rpartition("-")[2])


def write(
    directory: Path, checkpoint: Checkpoint, facts: Facts, state: Mapping[str, np.ndarray[Any, Any]]
) -> Path:
    """All or nothing: the directory gets its name when it is complete and on the disk; then older ones go.

    Diagnostics: checkpoint-cannot-write.
    """
    path = directory / f"checkpoint-{len(facts.losses)}"
    with writing(path, CANNOT_WRITE):
        directory.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".checkpoint-", dir=directory))
        try:
            for name, data in _files(checkpoint, facts, state).items():
                write_bytes(partial / name, data, CANNOT_WRITE)
            if path.exists():
                os.replace(path, partial.with_name(f"{partial.name}-old"))
            os.replace(partial, path)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        flush_folder(directory)
    remove_others(directory, path)
    return path


def _files(
    checkpoint: Checkpoint, facts: Facts, state: Mapping[str, np.ndarray[Any, Any]]
) -> dict[str, bytes]:
    from safetensors.numpy import save

    files = contents(checkpoint)
    files[STATE_FILE] = save({name: np.ascontiguousarray(array) for name, array in state.items()})
    files[FACTS_FILE] = msgspec.json.encode(facts)
    return files | {SUMS_FILE: sums_of(files)}


def remove_others(directory: Path, kept: Path | None = None) -> None:
    """Removes all checkpoints but one, and what killed runs left behind."""
    for path in (*_checkpoints(directory), *directory.glob(".checkpoint-*")):
        if path != kept:
            shutil.rmtree(path, ignore_errors=True)


def read(path: Path) -> tuple[Checkpoint, Facts, dict[str, np.ndarray[Any, Any]]]:
    """Diagnostics: checkpoint-unreadable, and those of `load`."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    check_sums(path, FILES, UNREADABLE)
    checkpoint = load(path)
    text = read_text(path / FACTS_FILE, "facts of the training", UNREADABLE, MOST_FACTS_BYTES)
    try:
        facts = msgspec.json.decode(text, type=Facts)
        state = load_file(path / STATE_FILE)
    except (OSError, msgspec.MsgspecError, RecursionError, SafetensorError) as failure:
        raise error(UNREADABLE, f"{path}: {failure}") from None
    if checkpoint.tokenizer is None or len(facts.losses) != _step(path):
        what = "no tokenizer" if checkpoint.tokenizer is None else f"losses of {len(facts.losses)} steps"
        raise error(UNREADABLE, f"{path} has {what}")
    return checkpoint, facts, state


def check_text(path: Path, facts: Facts, corpus: Corpus) -> None:
    """Diagnostics: text-changed."""
    if facts.text != corpus.digest:
        raise error(
            "text-changed", f"{path} was trained on another text",
            help="name the same text, or train into another directory",
        )  # fmt: skip


def check_machine(path: Path, facts: Facts, machine: Machine) -> None:
    """Diagnostics: machine-changed."""
    if facts.machine_hash and facts.machine_hash != machine.hash():
        raise error(
            "machine-changed", f"{path} was trained on another machine than {facts.machine} is now",
            help="put the old file back, or train into another directory",
        )  # fmt: skip
