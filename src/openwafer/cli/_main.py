"""`openwafer`: a group whose sub-commands are imported when they are called."""

from __future__ import annotations

import sys

import click

from openwafer.cli._errors import run_command
from openwafer.cli._lazy import Commands, LazyGroup

_COMMANDS: Commands = {
    "conform": ("openwafer.cli.conform", "Run a collection of CSL examples and say which pass."),
    "demo": ("openwafer.cli.demo", "Run the demonstration."),
    "doctor": ("openwafer.cli.doctor", "Whether this installation is whole, and what mends it."),
    "estimate": ("openwafer.cli.estimate", "Time, energy and cost of a model on real systems."),
    "fleet": ("openwafer.cli.fleet", "Plan a fleet under a power cap, compare and simulate plans."),
    "generate": ("openwafer.cli.generate", "Continue a text with a model on the wafer."),
    "machine": ("openwafer.cli.machine", "Show the facts of a machine, each with unit, source and status."),
    "run": ("openwafer.cli.run", "Run a host script, with a profile, limits and reports."),
    "serve": ("openwafer.cli.serve", "Serve a model by OpenAI's API, on wafers and GPUs."),
    "sweep": ("openwafer.cli.sweep", "Estimates over ranges of models, systems and traffic."),
    "train": ("openwafer.cli.train", "Train a small language model on the wafer."),
    "validate": ("openwafer.cli.validate", "Compare estimates with published numbers."),
}


class _Lazy(LazyGroup):
    lazy = _COMMANDS


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        from openwafer.cli._output import say
        from openwafer.cli._version import version_lines

        say("\n".join(version_lines()))
        ctx.exit()


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Version."
)
def _group() -> None:
    """OpenWafer: a wafer-scale AI computer in software.

    `cslc` compiles a CSL program, `cs_python` runs its host script; the commands below do the rest.
    """


def main() -> None:
    """Entry point of `openwafer`."""
    sys.exit(run_command(_group, "openwafer"))
