"""`openwafer estimate`: what real systems would do with a model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from openwafer.estimate import Estimate, TrainingEstimate

_SUFFIXES = {"": 1.0, "k": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}
_FORMAT = click.Choice(["table", "json", "csv"])


class Count(click.ParamType[float]):
    """A number with an optional k, M, B, G or T."""

    name = "number"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        match = re.fullmatch(r"([\d._]*\d[\d.]*(?:e\d+)?)([kMBGT]?)", str(value))
        if match is None:
            self.fail(f"{value!r} is not a number such as 512, 8k or 2T", param, ctx)
        try:
            return float(match[1]) * _SUFFIXES[match[2]]
        except ValueError:
            self.fail(f"{value!r} is not a number such as 512, 8k or 2T", param, ctx)


@click.command()
@click.argument("model")
@click.option("--on", default="cs3,b200", show_default=True, help="Systems or system files, with commas.")
@click.option(
    "--input", "tokens_in", type=Count(), default=1024, show_default=True, help="Tokens of a prompt."
)
@click.option(
    "--output", "tokens_out", type=Count(), default=256, show_default=True, help="Tokens of an answer."
)
@click.option("--users", type=Count(), default=1, show_default=True, help="Requests in flight.")
@click.option(
    "--tokens-per-second-per-user", "speed", type=Count(), default=0.0, help="What each user must get."
)
@click.option("--precision", help="f16, fp8, fp4, w8a16 or w4a16; default: as the weights are published.")
@click.option("--engine", type=click.Choice(["trtllm", "vllm"]), default="trtllm", show_default=True)
@click.option("--speculate", metavar="DRAFTED:ACCEPTED", help="Speculative decoding, such as 4:0.8.")
@click.option("--frontier", is_flag=True, help="Energy and cost against the speed a user gets.")
@click.option("--train-tokens", type=Count(), help="Train on so many tokens instead.")
@click.option("--systems", type=int, help="Systems to train on; default: as few as hold the model.")
@click.option(
    "--sequence", type=Count(), default=8192, show_default=True, help="Tokens of a training sequence."
)
@click.option(
    "--batch-tokens", type=Count(), default=8e6, show_default=True, help="Tokens of a training step."
)
@click.option("--format", "form", type=_FORMAT, default="table", show_default=True)
def command(
    model: str, on: str, tokens_in: float, tokens_out: float, users: float, speed: float,
    precision: str | None, engine: str, speculate: str | None, frontier: bool,
    train_tokens: float | None, systems: int | None,
    sequence: float, batch_tokens: float, form: str,
) -> None:  # fmt: skip
    """Time, energy and cost of MODEL (a name, a config.json or its directory) on real systems."""
    from openwafer import estimate as api

    names = [name for name in on.split(",") if name]
    wanted: api.Format | None = precision  # type: ignore[assignment]
    drafted, accepted = _speculation(speculate)
    if train_tokens is not None:
        trained = api.estimate_training(
            model, names, tokens=train_tokens, systems=systems, sequence=sequence, batch_tokens=batch_tokens,
            precision=wanted,
        )  # fmt: skip
        _print_training(trained, train_tokens, form)
    elif frontier:
        rows = api.frontier(model, names, input=tokens_in, output=tokens_out, users=users, precision=wanted,
                            drafted=drafted, accepted=accepted)  # fmt: skip
        _print_frontier(model, rows, form)
    else:
        found = api.estimate(model, names, input=tokens_in, output=tokens_out, users=users, engine=engine,  # type: ignore[arg-type]
                             tokens_per_second_per_user=speed, precision=wanted, drafted=drafted,
                             accepted=accepted)  # fmt: skip
        _print(found, f"{found[0].model}: {users:g} users, {tokens_in:g} in, {tokens_out:g} out", form)


def _speculation(text: str | None) -> tuple[float, float]:
    if text is None:
        return 0.0, 0.0
    match = re.fullmatch(r"(\d+):(0?\.\d+)", text)
    if match is None:
        raise click.BadParameter(f"{text!r} is not such as 4:0.8", param_hint="--speculate")
    return float(match[1]), float(match[2])


def _print(rows: list[Estimate], title: str, form: str) -> None:
    from openwafer.cli import _tables as t

    if form != "table":
        flat = [t.flat(row) for row in rows]
        return t.print_json(flat) if form == "json" else t.print_csv(flat)
    cells = [
        [
            "tokens/s a user",
            *(t.shown(r.tokens_per_s_per_user) + ("" if r.meets else " too slow") for r in rows),
        ],
        ["first token, ms", *(t.shown(r.first_token_s, 1e3) for r in rows)],
        ["tokens/s", *(t.shown(r.tokens_per_s) for r in rows)],
        ["tokens/s a system", *(t.shown(r.tokens_per_s_per_system) for r in rows)],
        ["J/token, IT", *(t.shown(r.joules_per_token) for r in rows)],
        ["J/token, facility", *(t.shown(r.facility_joules_per_token) for r in rows)],
        ["$/M tokens", *(t.shown(r.usd_per_million_tokens) for r in rows)],
        ["systems needed", *(str(r.systems) for r in rows)],
        ["layout", *(r.layout for r in rows)],
        ["what binds", *(r.binds for r in rows)],
    ]
    t.print_table(title, ["", *(f"{r.system}, {r.precision}" for r in rows)], cells, [_BAND, *_assumed(rows)])


_BAND = (
    "In brackets: the range that four of five published numbers of the kind fall into (openwafer validate)."
)


def _assumed(rows: list[Estimate] | list[TrainingEstimate]) -> list[str]:
    found = {row.system: row.assumed for row in rows if row.assumed}
    return [f"{system} rests on assumed {', '.join(names)}" for system, names in found.items()]


def _print_frontier(model: str, rows: dict[float, list[Estimate]], form: str) -> None:
    from openwafer.cli import _tables as t

    flat = [
        {"least_tokens_per_s_per_user": speed} | t.flat(row) for speed, found in rows.items() for row in found
    ]
    if form != "table":
        return t.print_json(flat) if form == "json" else t.print_csv(flat)
    systems = sorted({row.system for found in rows.values() for row in found})
    cells = [[t.number(speed), *(_at(found, name) for name in systems), found[0].system if found else "none"]
             for speed, found in rows.items()]  # fmt: skip
    headers = ["tokens/s a user", *(f"{name}: J, $/M" for name in systems), "cheapest"]
    t.print_table(f"{model}: energy (J/token, IT) and cost ($/M tokens)", headers, cells)


def _at(found: list[Estimate], system: str) -> str:
    from openwafer.cli._tables import number

    row = next((row for row in found if row.system == system), None)
    if row is None:
        return "–"
    cost = row.usd_per_million_tokens
    return f"{number(row.joules_per_token.value)}, {number(cost.value) if cost else '–'}"


def _print_training(rows: list[TrainingEstimate], tokens: float, form: str) -> None:
    from openwafer.cli import _tables as t

    if form != "table":
        flat = [t.flat(row) for row in rows]
        return t.print_json(flat) if form == "json" else t.print_csv(flat)
    cells = [
        ["systems", *(str(r.systems) for r in rows)],
        ["days", *(t.shown(r.days) for r in rows)],
        ["tokens/s", *(t.shown(r.tokens_per_s) for r in rows)],
        ["of the dense peak", *(f"{r.use:.0%}" for r in rows)],
        ["MWh, IT", *(t.shown(r.megawatt_hours) for r in rows)],
        ["MWh, facility", *(t.shown(r.facility_megawatt_hours) for r in rows)],
        ["$", *(t.shown(r.usd) for r in rows)],
        ["what binds", *(r.binds for r in rows)],
    ]
    title = f"{rows[0].model}: training on {tokens:.3g} tokens"
    t.print_table(title, ["", *(f"{r.system}, {r.precision}" for r in rows)], cells, [_BAND, *_assumed(rows)])
