"""`openwafer estimate`: what real systems would do with a model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from openwafer.cli._output import say_json
from openwafer.cli._record import record, recorded
from openwafer.cli._table import print_table
from openwafer.cli._value_type import ValueType

if TYPE_CHECKING:
    from openwafer.estimate import Estimate, Frontier, TrainingEstimate

_FORMAT = click.Choice(["table", "json", "csv"])


class Count(ValueType[float]):
    """A number with an optional k, M, B, G or T."""

    name = "number"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from openwafer.estimate.sweep import parse_number

        found = parse_number(str(value))
        if found is None or found < 0:
            self.fail(f"{value!r} is not a number such as 512, 8k or 2T", param, ctx)
        return float(found)


@click.command()
@recorded("estimate")
@click.argument("model")
@click.option(
    "--on",
    default="cs3,b200",
    show_default=True,
    help="Systems such as cs3, b200, gb200, mi355x, or system files, with commas.",
)
@click.option(
    "--input", "tokens_in", type=Count(), default=1024, show_default=True, help="Tokens of a prompt."
)
@click.option(
    "--output", "tokens_out", type=Count(), default=256, show_default=True, help="Tokens of an answer."
)
@click.option("--users", type=Count(), help="Requests in flight; default: 1, with --frontier 256.")
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
    model: str, on: str, tokens_in: float, tokens_out: float, users: float | None, speed: float,
    precision: str | None, engine: str, speculate: str | None, frontier: bool,
    train_tokens: float | None, systems: int | None,
    sequence: float, batch_tokens: float, form: str,
) -> None:  # fmt: skip
    """Time, energy and cost of MODEL (a name, a config.json or its directory) on real systems."""
    from openwafer import estimate as api
    from openwafer.cli._results import flat

    names = [name for name in on.split(",") if name]
    wanted: api.Format | None = precision  # type: ignore[assignment]
    drafted, accepted = _speculation(speculate)
    if train_tokens is not None:
        trained = api.estimate_training(
            model, names, tokens=train_tokens, systems=systems, sequence=sequence, batch_tokens=batch_tokens,
            precision=wanted,
        )  # fmt: skip
        record().result(estimates=[flat(row) for row in trained])
        _print_training(trained, train_tokens, form)
    elif frontier:
        count = 256.0 if users is None else users
        found = api.frontier(model, names, input=tokens_in, output=tokens_out, users=count, precision=wanted,
                             drafted=drafted, accepted=accepted)  # fmt: skip
        record().result(**_frontier_json(found))
        traffic = f"{count:g} users, {tokens_in:g} in, {tokens_out:g} out"
        _print_frontier(f"{model}: {traffic}", found, form)
    else:
        count = 1.0 if users is None else users
        rows = api.estimate(model, names, input=tokens_in, output=tokens_out, users=count, engine=engine,  # type: ignore[arg-type]
                            tokens_per_second_per_user=speed, precision=wanted, drafted=drafted,
                            accepted=accepted)  # fmt: skip
        record().result(estimates=[flat(row) for row in rows])
        traffic = f"{count:g} users, {tokens_in:g} in, {tokens_out:g} out"
        _print(rows, f"{rows[0].model}: {traffic}", form, speed)


def _speculation(text: str | None) -> tuple[float, float]:
    if text is None:
        return 0.0, 0.0
    match = re.fullmatch(r"(\d+):(0?\.\d+)", text)
    if match is None:
        raise click.BadParameter(f"{text!r} is not such as 4:0.8", param_hint="--speculate")
    return float(match[1]), float(match[2])


def _print(rows: list[Estimate], title: str, form: str, speed: float) -> None:
    from openwafer.cli import _results as t

    if form != "table":
        flat = [t.flat(row) for row in rows]
        return say_json(flat) if form == "json" else t.print_csv(flat)
    cells = [
        ["tokens/s a user", *(t.shown(r.tokens_per_s_per_user) for r in rows)],
        *([[f"at least {speed:g}", *("yes" if r.meets else "no" for r in rows)]] if speed else []),
        ["first token, ms", *(t.shown(r.first_token_s, 1e3) for r in rows)],
        ["tokens/s", *(t.shown(r.tokens_per_s) for r in rows)],
        ["tokens/s a system", *(t.shown(r.tokens_per_s_per_system) for r in rows)],
        ["J/token, IT", *(t.shown(r.joules_per_token) for r in rows)],
        ["J/token, facility", *(t.shown(r.facility_joules_per_token) for r in rows)],
        ["$/M tokens", *(t.shown(r.usd_per_million_tokens) for r in rows)],
        ["systems needed", *(str(r.systems) for r in rows)],
        ["layout", *(r.layout.partition(" + ")[0] for r in rows)],
        *_prompts(rows),
        ["what binds", *(r.binds for r in rows)],
    ]
    print_table(title, ["", *(f"{r.system}, {r.precision}" for r in rows)], cells, [_BAND, *_assumed(rows)])


_BAND = "In brackets: meant for 4 of 5 published numbers; of 137 unseen ones 66 % fit."


def _prompts(rows: list[Estimate]) -> list[list[str]]:
    """Chips that only read prompts, where there are any."""
    apart = [row.layout.partition(" + ")[2].removesuffix(" for prompts") for row in rows]
    return [["and for prompts", *(text or "–" for text in apart)]] if any(apart) else []


def _assumed(rows: list[Estimate] | list[TrainingEstimate]) -> list[str]:
    found = {row.system: row.assumed for row in rows if row.assumed}
    return [f"{system} rests on assumed {', '.join(names)}" for system, names in found.items()]


def _frontier_json(found: Frontier) -> dict[str, list[dict[str, Any]]]:
    from openwafer.cli import _results as t

    rows = [
        {"least_tokens_per_s_per_user": speed} | t.flat(row)
        for speed, rows in found.rows.items()
        for row in rows
    ]
    return {"rows": rows, "crossings": [t.flat(crossing) for crossing in found.crossings]}


def _print_frontier(title: str, found: Frontier, form: str) -> None:
    from openwafer.cli import _results as t

    flat = _frontier_json(found)
    if form != "table":
        return say_json(flat) if form == "json" else t.print_csv(flat["rows"])
    systems = sorted({row.system for rows in found.rows.values() for row in rows})
    reached = {speed: rows for speed, rows in found.rows.items() if rows}
    cells = [[t.number(speed), *(_at(rows, name) for name in systems)] for speed, rows in reached.items()]
    note = "J a token (IT), $ a million tokens; every user gets at least so many tokens a second."
    print_table(title, ["tokens/s a user", *systems], cells, [note, *_crossings(found)])


def _at(found: list[Estimate], system: str) -> str:
    from openwafer.cli._results import number

    row = next((row for row in found if row.system == system), None)
    if row is None:
        return "–"
    cost = row.usd_per_million_tokens
    return f"{number(row.joules_per_token.value)} J  ${number(cost.value) if cost else '–'}"


def _crossings(found: Frontier) -> list[str]:
    """Which kind of system is the best from which speed on."""
    from openwafer.cli._results import number

    lines: list[str] = []
    kinds = {"gpu": "GPUs", "wafer": "wafers", None: "nobody"}
    for what, words in (("cost", "Least cost"), ("energy", "Least energy")):
        parts = [
            f"{kinds[c.kind]} from {number(c.tokens_per_s_per_user)}" + (f" ({c.system})" if c.system else "")
            for c in found.crossings
            if c.what == what
        ]
        lines.append(f"{words}, tokens/s a user: {', '.join(parts)}.")
    return lines


def _print_training(rows: list[TrainingEstimate], tokens: float, form: str) -> None:
    from openwafer.cli import _results as t

    if form != "table":
        flat = [t.flat(row) for row in rows]
        return say_json(flat) if form == "json" else t.print_csv(flat)
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
    print_table(title, ["", *(f"{r.system}, {r.precision}" for r in rows)], cells, [_BAND, *_assumed(rows)])
