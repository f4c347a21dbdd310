"""How every command ends: exit codes 0 fine, 1 diagnostics, 2 usage, 3 internal error."""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Iterable

import click

from openwafer.diag import Diagnostic, DiagnosticError, environment, print_diagnostics, to_json

OK, DIAGNOSTICS, USAGE, INTERNAL, INTERRUPTED = 0, 1, 2, 3, 130


def run_command(command: click.Command, name: str, args: list[str] | None = None) -> int:
    """Runs a click command and returns its exit code; what is wrong has then been said on standard error."""
    environment.check_names()
    try:
        result = command.main(args, prog_name=name, standalone_mode=False)
        return result if isinstance(result, int) else OK
    except click.ClickException as reason:
        reason.show()
        return USAGE
    except DiagnosticError as failure:
        return report(failure)
    except (click.Abort, KeyboardInterrupt):
        click.echo(f"{name}: interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return OK
    except Exception as reason:
        return internal_error(name, reason)


def report(failure: DiagnosticError) -> int:
    """Shows the diagnostics and returns the exit code for them."""
    print_diagnostics(failure)
    _note(failure.diagnostics)
    return DIAGNOSTICS


def internal_error(name: str, reason: BaseException) -> int:
    """Puts the traceback into a file and tells the user where it is."""
    descriptor, path = tempfile.mkstemp(prefix="openwafer-report-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"OpenWafer {version()}, Python {platform.python_version()}, {platform.platform()}\n")
        file.write(f"{name} {' '.join(sys.argv[1:])}\n\n")
        file.writelines(traceback.format_exception(reason))
    what = f"{type(reason).__name__}: {str(reason).split(chr(10))[0]}"
    _note([Diagnostic("internal-error", f"{name}: {what}")])
    click.echo(f"{name}: internal error: {what}", err=True)
    click.echo(f"This is a fault of OpenWafer. Please report it with {path}", err=True)
    return INTERNAL


def _note(diagnostics: Iterable[Diagnostic]) -> None:
    path = environment.DIAGNOSTICS.get()
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.writelines(json.dumps(to_json(d)) + "\n" for d in diagnostics)


def version() -> str:
    """The version of the installed package."""
    from importlib import metadata

    try:
        return metadata.version("openwafer")
    except metadata.PackageNotFoundError:
        return "(not installed)"


def _silence_stdout() -> None:
    """The reader of our output has gone: nothing more can be said, not even at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
