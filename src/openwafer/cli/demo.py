"""`openwafer demo`: a small Llama learns a text on the wafer, checked against PyTorch, and writes."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openwafer.cli._output import say, say_json
from openwafer.cli._record import record, recorded
from openwafer.cli._table import print_table, say_wrapped
from openwafer.cli._wafer_options import SEED, wafer_options

if TYPE_CHECKING:
    from openwafer.cli.generate import Generated
    from openwafer.nn import Phase
    from openwafer.nn.text import Trainer

TOPIC = "bltin-null-object"
"""The page of Python's documentation that is learnt by default: so short that 400 steps suffice."""
SIZES: dict[str, Any] = {"kind": "llama", "layers": 2, "hidden": 48, "heads": 8, "kv_heads": None, "ffn": 96}
CHECKED_STEPS = 100
WRITTEN_TOKENS = 240
SHOWN_SHARE = 0.02
"""Parts with less of the cycles are shown together."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the demonstration measured. `loss_error` and `logit_error` are relative to PyTorch's; `phases` are
    cycles a training step, by part of the model."""

    machine: str
    shape: tuple[int, int]
    parameters: int
    steps: int
    losses: tuple[float, float]
    loss_error: float
    logit_error: float
    text: str
    training: dict[str, float]
    generation: dict[str, float]
    phases: dict[str, float]


@click.command()
@recorded("training")
@click.option("--text", "path", type=click.Path(path_type=Path), metavar="FILE",
              help="UTF-8 text to learn; default: a page of Python's documentation.")  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1), default=400, show_default=True)
@click.option("--seed", type=SEED, default=0, show_default=True)
@wafer_options("8x8")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(
    path: Path | None, steps: int, seed: int, machine: str, shape: tuple[int, int], threads: int, form: str
) -> None:
    """Train a two-layer Llama-style character model on the wafer, check it against PyTorch, let it write, and
    say where the cycles went."""
    from openwafer.cli.train import run as train
    from openwafer.nn import require_torch
    from openwafer.nn.text import documentation, read_text

    require_torch()
    text = read_text(path) if path else documentation(TOPIC)
    trainer = _trainer(text, steps, seed, machine, shape, threads)
    is_quiet = form == "json"
    if not is_quiet:
        _introduce(trainer, text)
    start = _copy(trainer)
    with tempfile.TemporaryDirectory() as directory:
        if not train(trainer, Path(directory), steps + 1, is_quiet=is_quiet):
            raise KeyboardInterrupt
    loss_error = _loss_error(trainer, start)
    trainer.compiled.sync()
    logit_error, written = _write(trainer, text, threads, is_quiet)
    report = _report(trainer, loss_error, logit_error, written)
    record().result(**asdict(report))
    if is_quiet:
        say_json(asdict(report))
    else:
        _print(report)


def _trainer(text: str, steps: int, seed: int, machine: str, shape: tuple[int, int], threads: int) -> Trainer:
    import numpy as np

    from openwafer.cli.train import make_config
    from openwafer.nn import Wafer
    from openwafer.nn.models import Checkpoint
    from openwafer.nn.text import Corpus, Recipe, Trainer, characters, encode, new_model

    tokenizer = characters(text)
    recipe = Recipe(steps=steps, learning_rate=5e-3, seed=seed)
    config = make_config(tokenizer.get_vocab_size(), context=recipe.context, **SIZES)
    checkpoint = Checkpoint(config, new_model(config, seed), tokenizer)
    corpus = Corpus(np.array(encode(tokenizer, text), np.int64))
    return Trainer(checkpoint, corpus, recipe, Wafer(machine, shape), threads=threads)


def _introduce(trainer: Trainer, text: str) -> None:
    wafer, recipe = trainer.wafer, trainer.recipe
    w, h = wafer.shape
    say_wrapped(
        f"A Llama of {SIZES['layers']} layers and {_parameters(trainer):,} parameters learns "
        f"{len(text):,} characters on {w} × {h} PEs of a simulated {wafer.name}: "
        f"{recipe.steps} steps of {recipe.step_tokens} characters."
    )


def _parameters(trainer: Trainer) -> int:
    return sum(p.numel() for p in trainer.checkpoint.model.parameters())


def _copy(trainer: Trainer) -> Any:
    from copy import deepcopy

    return deepcopy(trainer.checkpoint.model)


def _loss_error(trainer: Trainer, model: Any) -> float:
    """The largest relative difference of the first steps' losses from PyTorch's, which trains `model`."""
    from openwafer.nn.text import next_token_loss, optimizer_for

    optimizer, worst = optimizer_for(model, trainer.recipe), 0.0
    for step, ours in enumerate(trainer.losses[:CHECKED_STEPS], 1):
        for group in optimizer.param_groups:
            group["lr"] = trainer.recipe.rate(step)
        ids, wanted = trainer.batch(step)
        loss = next_token_loss(model(ids), wanted)
        optimizer.zero_grad()
        loss.backward()  # pyright: ignore
        optimizer.step()  # pyright: ignore
        worst = max(worst, abs(ours / loss.item() - 1))
    return worst


def _write(trainer: Trainer, text: str, threads: int, is_quiet: bool) -> tuple[float, Generated]:
    """The relative difference of the prompt's logits from PyTorch's, and what the trained model writes."""
    import torch

    from openwafer.cli.generate import stream
    from openwafer.nn import compile_generation
    from openwafer.nn.text import encode

    checkpoint = trainer.checkpoint
    ids = encode(checkpoint.tokenizer, text)[: trainer.recipe.context // 2]
    context = checkpoint.config.positions
    generator = compile_generation(checkpoint.model, context, trainer.wafer, threads=threads)
    ours = torch.tensor(generator.feed(ids))
    generator.reset()
    with torch.no_grad():
        theirs = checkpoint.model(torch.tensor([ids]))[0, -1]
    if not is_quiet:
        say("\nIt writes, from the first half line on:\n")
        say(checkpoint.tokenizer.decode(ids), nl=False)
    error = float((ours - theirs).abs().max() / theirs.abs().max())
    return error, stream(generator, checkpoint, ids, WRITTEN_TOKENS, None, is_quiet=is_quiet)


def _report(trainer: Trainer, loss_error: float, logit_error: float, written: Generated) -> Report:
    usage, steps = trainer.usage, trainer.steps
    tokens = steps * trainer.recipe.step_tokens
    ends = trainer.losses[:20], trainer.losses[-20:]
    return Report(
        machine=trainer.wafer.name,
        shape=trainer.wafer.shape,
        parameters=_parameters(trainer),
        steps=steps,
        losses=(sum(ends[0]) / len(ends[0]), sum(ends[1]) / len(ends[1])),
        loss_error=loss_error,
        logit_error=logit_error,
        text=written.text,
        training={
            "cycles": usage.cycles, "seconds": usage.seconds, "tokens_per_s": tokens / usage.seconds,
            "utilisation": usage.utilisation, "joules": usage.joules,
        },
        generation={
            "cycles_per_token": written.cycles_per_token, "tokens_per_s": written.tokens_per_s,
            "utilisation": written.usage.utilisation, "joules": written.usage.joules,
        },
        phases=by_part(trainer.compiled.profile()),
    )  # fmt: skip


def by_part(phases: Sequence[Phase]) -> dict[str, float]:
    """Cycles of the modules of the same name together, forward and backward apart, most first."""
    out: Counter[str] = Counter()
    for phase in phases:
        name = phase.name.rstrip("'").rpartition(".")[2]
        name = "residual" if name.isdecimal() else name
        out[f"{name}, backward" if phase.name.endswith("'") else name] += phase.mean  # type: ignore[assignment]
    return dict(out.most_common())


def _print(report: Report) -> None:
    from openwafer.cli._wafer_options import joules, seconds

    t, g = report.training, report.generation
    _print_parts(report)
    say_wrapped(
        f"Training: loss {report.losses[0]:.2f} → {report.losses[1]:.2f}; {t['cycles']:,} cycles, "
        f"{seconds(t['seconds'])} at the machine's clock, {t['tokens_per_s']:,.0f} tokens/s, "
        f"{t['utilisation']:.0%} of the PEs busy, {joules(t['joules'])} (inferred)"
    )
    say_wrapped(
        f"Writing: {g['cycles_per_token']:,.0f} cycles a token, {g['tokens_per_s']:,.0f} tokens/s, "
        f"{g['utilisation']:.0%} of the PEs busy, {joules(g['joules'])} (inferred)"
    )
    say_wrapped(
        f"Against PyTorch: losses of the first {min(CHECKED_STEPS, report.steps)} steps within "
        f"{report.loss_error:.1e}, logits within {report.logit_error:.1e}"
    )


def _print_parts(report: Report) -> None:
    whole = sum(report.phases.values())
    shown = {name: cycles for name, cycles in report.phases.items() if cycles >= SHOWN_SHARE * whole}
    parts = {**shown, "rest": whole - sum(shown.values())}
    rows = [[name, f"{cycles:,.0f}", f"{cycles / whole:.1%}"] for name, cycles in parts.items()]
    print_table("Where the cycles of a training step go", ["part", "cycles", "share"], rows, [""])
