"""`openwafer train`: trains a small language model on a text, on the wafer."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openwafer.cli._output import say, say_json
from openwafer.cli._record import record, record_machine, recorded
from openwafer.cli._wafer_options import SEED, Finite, wafer_options
from openwafer.diag import showable

if TYPE_CHECKING:
    from openwafer.nn import Wafer
    from openwafer.nn.models import ModelConfig
    from openwafer.nn.text import Corpus, Trainer

_KINDS = click.Choice(["llama", "qwen2", "qwen3", "gpt2"])
_FORMAT = click.Choice(["table", "json"])
_POSITIVE = click.IntRange(1, 10**9)
_SIZE = click.IntRange(1, 2**20)
_RATE = Finite(0, 1e6)
_MOST_TOKENS = 2**24
"""Of a step."""


@click.command()
@recorded("training")
@click.option("--text", "text_path", required=True, metavar="FILE", type=click.Path(path_type=Path),
              help="UTF-8 text.")  # fmt: skip
@click.option("--out", required=True, metavar="DIR", type=click.Path(path_type=Path), help="Where it goes.")
@click.option("--resume", is_flag=True, help="Go on behind the last checkpoint in DIR.")
@click.option("--kind", type=_KINDS, default="llama", show_default=True)
@click.option("--tokenizer", default="characters", show_default=True, metavar="characters|bpe:SIZE")
@click.option("--layers", type=click.IntRange(1, 4096), default=2, show_default=True)
@click.option("--hidden", type=_SIZE, default=48, show_default=True, help="Features of a token.")
@click.option("--heads", type=_SIZE, default=8, show_default=True)
@click.option("--kv-heads", type=_SIZE, help="Heads of keys and values; default: as many as heads.")
@click.option("--ffn", type=_SIZE, help="Features inside the MLP; default: 2 × hidden, GPT-2 4 ×.")
@click.option("--steps", type=_POSITIVE, default=1000, show_default=True)
@click.option("--batch", type=_POSITIVE, default=1, show_default=True, help="Texts a step.")
@click.option("--context", type=_POSITIVE, default=32, show_default=True, help="Tokens of a text.")
@click.option("--learning-rate", type=_RATE, default=3e-3, show_default=True)
@click.option("--weight-decay", type=_RATE, default=0.0, show_default=True)
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option(
    "--save-every", type=_POSITIVE, default=100, show_default=True, help="Steps between checkpoints."
)
@wafer_options("8x8")
@click.option("--format", "form", type=_FORMAT, default="table", show_default=True)
def command(
    text_path: Path, out: Path, resume: bool, save_every: int, threads: int, form: str, **chosen: Any
) -> int:
    """Train a small language model on a text, and save it as a Hugging Face directory.

    Checkpoints lie in DIR/checkpoint-STEP; a run that is interrupted or killed goes on with --resume. Then
    everything but --text, --out, --save-every, --threads and --format comes from the checkpoint.
    """
    from openwafer.files import one_writer
    from openwafer.nn import require_torch
    from openwafer.nn.text import read_text

    text = read_text(text_path)
    require_torch()
    _check_out(out, resume)
    with one_writer(out, "out-busy", "out-cannot-write"):
        trainer = _resumed(text, out, threads) if resume else _new(text, out, threads, chosen)
        record_machine(trainer.usage.machine)
        if not run(trainer, out, save_every, is_quiet=form == "json"):
            say(f"stopped after step {trainer.steps}; --resume goes on from there", err=True)
            return 130
        finish(trainer, out)
    _tell(trainer, out, form)
    return 0


def _check_out(out: Path, resume: bool) -> None:
    """Before the folder is made and held. Diagnostics: no-checkpoint, out-exists."""
    if resume and not out.is_dir():
        raise _no_checkpoint(out)
    if not resume and os.path.lexists(out) and not out.is_dir():
        raise _exists(out)


def _new(text: str, out: Path, threads: int, chosen: dict[str, Any]) -> Trainer:
    from openwafer.nn import Wafer
    from openwafer.nn.models import Checkpoint
    from openwafer.nn.text import Recipe, Trainer, new_model

    _check_empty(out)
    if chosen["batch"] * chosen["context"] > _MOST_TOKENS:
        text = f"{chosen['batch']:,} × {chosen['context']:,} tokens a step, allowed are {_MOST_TOKENS:,}"
        raise click.BadParameter(text, param_hint="--batch")
    tokenizer = _tokenizer(chosen["tokenizer"], text)
    recipe = Recipe(
        steps=chosen["steps"], batch=chosen["batch"], context=chosen["context"], seed=chosen["seed"],
        learning_rate=chosen["learning_rate"], weight_decay=chosen["weight_decay"],
    )  # fmt: skip
    config = make_config(tokenizer.get_vocab_size(), **chosen)
    wafer = Wafer(chosen["machine"], chosen["shape"])
    _check_room(config, wafer)
    checkpoint = Checkpoint(config, new_model(config, recipe.seed), tokenizer)
    return Trainer(checkpoint, _corpus(tokenizer, text), recipe, wafer, threads=threads)


def _check_empty(out: Path) -> None:
    from openwafer.files import LOCK, writing

    with writing(out, "out-cannot-write"):
        names = {path.name for path in out.iterdir()}
    if names - {LOCK}:
        raise _exists(out)


def _exists(out: Path) -> Exception:
    from openwafer.diag import error

    help = "another --out, or --resume to go on with it"
    return error("out-exists", f"{out} is there and not empty", help=help)


def _no_checkpoint(out: Path) -> Exception:
    from openwafer.diag import error

    if (out / "model.safetensors").exists() and (out / "config.json").exists():
        help = f"openwafer generate {out} --prompt …"
        return error("training-ended", f"the training in {out} has come to its end", help=help)
    return error("no-checkpoint", f"there is no checkpoint in {out}", help="without --resume it begins")


def _check_room(config: ModelConfig, wafer: Wafer) -> None:
    """Before memory is taken for the weights. Diagnostics: model-does-not-fit."""
    from openwafer.diag import error
    from openwafer.nn.models import count_parameters

    need, (w, h) = 4 * count_parameters(config), wafer.shape
    room = w * h * wafer.load().memory.bytes_per_pe
    if need > room:
        text = f"{need:,} bytes of weights, {w} × {h} PEs have {room:,}"
        raise error("model-does-not-fit", text, help="more PEs (--shape), or a smaller model")


def _resumed(text: str, out: Path, threads: int) -> Trainer:
    from openwafer.nn.text import Trainer, checkpoints

    path = checkpoints.newest(out)
    if path is None:
        raise _no_checkpoint(out)
    checkpoint, *_ = checkpoints.read(path)
    return Trainer.resume(path, _corpus(checkpoint.tokenizer, text), threads=threads)


def _corpus(tokenizer: Any, text: str) -> Corpus:
    import numpy as np

    from openwafer.nn.text import Corpus, encode

    return Corpus(np.array(encode(tokenizer, text), np.int64))


def _tokenizer(name: str, text: str) -> Any:
    from openwafer.nn.text import byte_pairs, characters

    if name == "characters":
        return characters(text)
    kind, _, size = name.partition(":")
    if kind != "bpe" or not size.isdecimal():
        raise click.BadParameter(
            f"{name!r} is not `characters` or such as `bpe:512`", param_hint="--tokenizer"
        )
    return byte_pairs(text, int(size))


def make_config(
    vocabulary: int, *, kind: str, layers: int, hidden: int, heads: int, kv_heads: int | None,
    ffn: int | None, context: int, **_: Any,
) -> ModelConfig:  # fmt: skip
    """The config of a new model for texts of up to the context it is trained with."""
    from openwafer.nn.models import GptConfig, LlamaConfig

    if hidden % heads or (kv_heads and heads % kv_heads):
        raise click.BadParameter(
            f"{hidden} features, {heads} heads and {kv_heads or heads} for keys do not divide evenly",
            param_hint="--heads",
        )
    if kind == "gpt2":
        return GptConfig(
            vocab_size=vocabulary, n_embd=hidden, n_layer=layers, n_head=heads, n_positions=context,
            n_inner=ffn,
        )  # fmt: skip
    return LlamaConfig(
        model_type=kind, vocab_size=vocabulary, hidden_size=hidden, intermediate_size=ffn or 2 * hidden,  # type: ignore[arg-type]
        num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=kv_heads or heads,
        max_position_embeddings=context, tie_word_embeddings=True,
    )  # fmt: skip


def run(trainer: Trainer, out: Path, save_every: int, *, is_quiet: bool = False) -> bool:
    """Trains to the end, with a checkpoint every `save_every` steps; False if the user stopped it, behind a
    checkpoint."""
    from openwafer.cli._interrupt import deferred_interrupt
    from openwafer.cli._train_progress import TrainProgress

    with deferred_interrupt() as interrupt, TrainProgress(trainer, is_quiet) as progress:
        while trainer.steps < trainer.recipe.steps:
            trainer.advance()
            progress.show()
            record().event(step=trainer.steps, loss=trainer.losses[-1], cycles=trainer.usage.cycles)
            if interrupt.is_asked or trainer.steps % save_every == 0:
                trainer.save(out)
            if interrupt.is_asked:
                return False
    return True


def finish(trainer: Trainer, out: Path) -> None:
    """Writes the trained model; then its checkpoints go."""
    from openwafer.nn.models import save
    from openwafer.nn.text import checkpoints

    trainer.compiled.sync()
    save(trainer.checkpoint, out)
    checkpoints.remove_others(out)


def _tell(trainer: Trainer, out: Path, form: str) -> None:
    from openwafer.cli._wafer_options import joules, seconds

    usage, tokens = trainer.usage, trainer.steps * trainer.recipe.step_tokens
    facts: dict[str, Any] = {
            "out": str(out), "steps": trainer.steps, "tokens": tokens, "losses": trainer.losses,
            "cycles": usage.cycles, "seconds": usage.seconds, "utilisation": usage.utilisation,
            "joules": usage.joules, "finished": time.strftime("%Y-%m-%dT%H:%M:%S"),
    }  # fmt: skip
    record().result(**{name: value for name, value in facts.items() if name != "losses"})
    if form == "json":
        say_json(facts, indent=None)
        return
    last = trainer.losses[-50:]
    say(f"{showable(str(out))}: loss {sum(last) / len(last):.3f} over the last {len(last)} steps")
    say(
        f"this run: {usage.cycles:,} cycles, {seconds(usage.seconds)} at "
        f"{usage.machine.clock_hz / 1e6:.0f} MHz, {usage.utilisation:.0%} of the PEs busy, "
        f"{joules(usage.joules)} (inferred)"
    )
    say(f"next: openwafer generate {showable(str(out))} --prompt …")
