"""`openwafer fleet`: plans of fleets."""

from __future__ import annotations

import click

from openwafer.cli._lazy import Commands, LazyGroup

_COMMANDS: Commands = {
    "compare": ("openwafer.cli.fleet._compare", "Two plans side by side."),
    "plan": ("openwafer.cli.fleet._plan", "Which systems, where and when, at what cost and carbon."),
    "simulate": ("openwafer.cli.fleet._simulate", "A plan’s traffic, request by request."),
}


class _Fleet(LazyGroup):
    lazy = _COMMANDS


@click.group("fleet", cls=_Fleet)
def command() -> None:
    """Fleets: from demand and megawatts to a plan."""
