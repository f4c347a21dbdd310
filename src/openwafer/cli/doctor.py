"""`openwafer doctor`: whether this installation is whole, and what mends it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from openwafer.cli._checks import Check


@click.command()
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--compile", "compiles", is_flag=True, help="Compile the simulator now, if it is not yet.")
def command(form: str, compiles: bool) -> int:
    """Say what is installed, compiled and missing, each with the command that mends it.

    Exit code 1 if something that is always needed is missing or of a wrong version."""
    checks = _checks()
    if compiles:
        from openwafer.sim import compile_engine

        compile_engine()
    found = list(checks())
    if form == "json":
        click.echo(json.dumps(_as_json(found), indent=2))
    else:
        _print(found)
    return int(_is_faulty(found))


def _checks() -> Callable[[], Iterator[Check]]:
    """`checks`, if what it reads versions with is there. Diagnostics: package-missing."""
    from openwafer.diag import error

    try:
        from openwafer.cli._checks import checks
    except ModuleNotFoundError as reason:
        help = f"pip install {reason.name}"
        raise error("package-missing", f"the package `{reason.name}` is not installed", help=help) from None
    return checks


def _is_faulty(found: list[Check]) -> bool:
    return any(check.status == "fault" for check in found)


def _as_json(found: list[Check]) -> dict[str, object]:
    from openwafer._versions import versions

    rows = [asdict(check) for check in found]
    return {"ok": not _is_faulty(found), "versions": versions(), "checks": rows}


def _print(found: list[Check]) -> None:
    from openwafer._versions import processor

    click.echo(f"OpenWafer on {processor()}")
    width = max(len(check.name) for check in found)
    for check in found:
        click.echo(f"  {check.status:6}  {check.name:{width}}  {check.found}")
        if check.mend is not None:
            click.echo(f"  {'':6}  {'':{width}}  → {check.mend}")
