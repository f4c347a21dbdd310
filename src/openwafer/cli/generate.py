"""`openwafer generate`: continues a text with a model from a Hugging Face directory, on the wafer."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openwafer.cli._output import say, say_json
from openwafer.cli._record import record, record_machine, recorded
from openwafer.cli._wafer_options import SEED, Finite, wafer_options

if TYPE_CHECKING:
    from openwafer.nn import Generator, Usage
    from openwafer.nn.models import Checkpoint

_POSITIVE = click.IntRange(min=1)


@click.command()
@recorded("generation")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--prompt", required=True, help="The text to continue.")
@click.option("--tokens", type=_POSITIVE, default=64, show_default=True, help="At most so many more tokens.")
@click.option("--temperature", type=Finite(min=0), default=0.0, show_default=True, help="0: the likeliest.")
@click.option("--top-k", type=_POSITIVE, help="Only among the k likeliest tokens.")
@click.option("--top-p", type=Finite(0, 1, min_open=True), help="Only among the likeliest that make up p.")
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("--context", type=_POSITIVE, help="Tokens seen at once; default: as many as the model can.")
@click.option("--prefill", type=_POSITIVE, default=16, show_default=True, help="Tokens read at once.")
@wafer_options("8x8")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(
    directory: Path, prompt: str, tokens: int, temperature: float, top_k: int | None, top_p: float | None,
    seed: int, context: int | None, prefill: int, machine: str, shape: tuple[int, int], threads: int,
    form: str,
) -> None:  # fmt: skip
    """Continue a text with the model in DIR (config.json, safetensors, tokenizer.json; Llama, Qwen2, Qwen3 or
    GPT-2 kind). Keys and values stay in the memory of the PEs; tokens appear as they come. A text longer than
    the context goes on from the last half of it."""
    from openwafer.nn import Wafer, compile_generation, require_torch, sampling
    from openwafer.nn.models import load
    from openwafer.nn.text import encode

    require_torch()
    checkpoint = load(directory)
    ids = encode(_tokenizer(checkpoint, directory), prompt)
    seen = _context(checkpoint, len(ids), tokens, context)
    generator = compile_generation(
        checkpoint.model, seen, Wafer(machine, shape), prefill=prefill, threads=threads
    )
    sampler = sampling(temperature, top_k, top_p, seed) if temperature > 0 else None
    if form == "text":
        say(prompt, nl=False)
    result = stream(generator, checkpoint, ids, tokens, sampler, is_quiet=form == "json")
    _tell(result, prompt, form)


def _tokenizer(checkpoint: Checkpoint, directory: Path) -> Any:
    from openwafer.diag import error

    if checkpoint.tokenizer is None:
        raise error("no-tokenizer", f"{directory} has no tokenizer.json")
    return checkpoint.tokenizer


def _context(checkpoint: Checkpoint, given: int, tokens: int, context: int | None) -> int:
    """Tokens that are seen at once: all, if the model can. Diagnostics: prompt-empty, context-full."""
    from openwafer.diag import error

    most = min(context or checkpoint.config.positions, checkpoint.config.positions)
    if given == 0:
        raise error("prompt-empty", "the prompt has no tokens")
    if given > most:
        raise error(
            "context-full", f"a prompt of {given} tokens does not fit into a context of {most}",
            help="a shorter prompt",
        )  # fmt: skip
    return min(given + tokens, most)


@dataclass(frozen=True, slots=True)
class Generated:
    """`seconds` are real ones, of decoding; `usage` is that of the wafer over the whole run."""

    text: str
    prompt_tokens: int
    tokens: int
    decode_cycles: int
    seconds: float
    usage: Usage

    @property
    def cycles_per_token(self) -> float:
        """Of decoding; the first token comes with the prompt."""
        return self.decode_cycles / (self.tokens - 1) if self.tokens > 1 else 0.0

    @property
    def tokens_per_s(self) -> float:
        """Of decoding, at the machine's clock."""
        return self.usage.machine.clock_hz / self.cycles_per_token if self.tokens > 1 else 0.0

    @property
    def real_tokens_per_s(self) -> float:
        return (self.tokens - 1) / self.seconds if self.seconds else 0.0


def stream(
    generator: Generator, checkpoint: Checkpoint, ids: list[int], count: int, sampler: Any,
    *, is_quiet: bool = False,
) -> Generated:  # fmt: skip
    """Generates, and prints the text as it grows."""
    text, tokens, first, start = "", list[int](), 0, 0.0
    for token in generator.generate(ids, count, sampler=sampler, stop=checkpoint.stop, slides=True):
        if not tokens:
            first, start = generator.cycles, time.perf_counter()
        tokens.append(token)
        grown = checkpoint.tokenizer.decode(tokens)
        if not is_quiet and not grown.endswith("\ufffd"):
            say(grown[len(text) :], nl=False)
            text = grown
    rest = checkpoint.tokenizer.decode(tokens)
    if not is_quiet:
        say(rest[len(text) :])
    spent = time.perf_counter() - start
    return Generated(rest, len(ids), len(tokens), generator.cycles - first, spent, generator.usage)


def _tell(result: Generated, prompt: str, form: str) -> None:
    from openwafer.cli._wafer_options import joules, seconds

    usage, cycles = result.usage, result.cycles_per_token
    simulated, real = result.tokens_per_s, result.real_tokens_per_s
    facts: dict[str, Any] = {
            "prompt": prompt, "text": result.text, "prompt_tokens": result.prompt_tokens,
            "tokens": result.tokens, "cycles_per_token": cycles, "tokens_per_s": simulated,
            "real_tokens_per_s": real, "cycles": usage.cycles, "seconds": usage.seconds,
            "utilisation": usage.utilisation, "joules": usage.joules,
    }  # fmt: skip
    record_machine(usage.machine)
    record().result(**facts)
    if form == "json":
        say_json(facts, indent=None)
        return
    say(
        f"\n{result.tokens} tokens: {cycles:,.0f} cycles a token, {simulated:,.0f} tokens/s at "
        f"{usage.machine.clock_hz / 1e6:.0f} MHz ({real:,.1f} tokens/s here)",
        err=True,
    )
    say(
        f"{usage.cycles:,} cycles in all, {seconds(usage.seconds)}, {usage.utilisation:.0%} of the PEs busy, "
        f"{joules(usage.joules)} (inferred)",
        err=True,
    )
