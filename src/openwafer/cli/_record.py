"""The option `--record DIR`: what a command was asked, what it found, and with which versions."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from openwafer.machine import Machine
from openwafer.record import Kind, Recorder, recording

R = TypeVar("R")
_KEY = "openwafer.record"


def recorded(kind: Kind) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Adds `--record DIR` to a command; in it, `record()` is the open record."""

    def decorate(command: Callable[..., R]) -> Callable[..., R]:
        @click.option(
            "--record", "record_dir", metavar="DIR", type=click.Path(file_okay=False),
            help="Keep options, versions and results in DIR.",
        )  # fmt: skip
        @wraps(command)
        def run(*args: Any, record_dir: str | None, **options: Any) -> R:
            with recording(record_dir, kind, sys.argv, _versions(record_dir), options) as recorder:
                click.get_current_context().meta[_KEY] = recorder
                return command(*args, **options)

        return run

    return decorate


def record() -> Recorder:
    """The record of the command that runs; it writes nothing without `--record`."""
    return click.get_current_context().meta[_KEY]


def record_machine(machine: Machine) -> None:
    """Notes which machine the results are about."""
    record().machine(machine.name, machine.arch, machine.hash())


def _versions(record_dir: str | None) -> dict[str, str]:
    if record_dir is None:
        return {}
    from openwafer import versions

    return versions()
