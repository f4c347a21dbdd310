"""The boundary around every command: whatever it raises is said on standard error and becomes an exit code.

0 fine, 1 diagnostics, 2 usage, 3 internal error, 130 interrupted, 143 ended by SIGTERM.
"""

from __future__ import annotations

import io
import os
import select
import sys
from collections.abc import Callable, Iterable

import click

from openwafer.cli import _signals
from openwafer.cli._internal_error import describe, keep
from openwafer.cli._output import StandardOutput, flush, say, silence
from openwafer.diag import (
    Diagnostic,
    DiagnosticError,
    environment,
    error,
    json_text,
    print_diagnostics,
    to_json,
)

OK, DIAGNOSTICS, USAGE, INTERNAL, INTERRUPTED = 0, 1, 2, 3, 130

__all__ = [
    "DIAGNOSTICS",
    "INTERNAL",
    "INTERRUPTED",
    "OK",
    "USAGE",
    "bounded",
    "report",
    "run_command",
]


def run_command(command: click.Command, name: str, args: list[str] | None = None) -> int:
    """Runs a click command and returns its exit code; what is wrong has then been said on standard error."""
    return bounded(name, lambda: _invoke(command, name, list(sys.argv[1:] if args is None else args)))


def _invoke(command: click.Command, name: str, args: list[str]) -> object:
    """As `command.main` does, which would make exit codes of its own out of what is raised."""
    environment.check_names()
    if f"_{name.upper()}_COMPLETE" in os.environ:  # a shell that asks how a word goes on
        return command.main(args, prog_name=name, standalone_mode=False)
    try:
        with command.make_context(name, args) as context:
            return command.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code


def bounded(name: str, action: Callable[[], object]) -> int:
    """Runs a command called `name`: its result, if that is an exit code, or the code for what it raised."""
    with _signals.caught() as end:
        code = _outcome(name, action, end)
        return max(code, _outcome(name, flush, end))


def _outcome(name: str, action: Callable[[], object], end: _signals.End) -> int:
    try:
        result = action()
        return result if isinstance(result, int) else OK
    except BaseException as reason:
        return _said(name, reason, end)


def _said(name: str, reason: BaseException, end: _signals.End) -> int:
    """Says what was raised; its exit code. A signal counts more than what it was turned into on the way."""
    if end.code is not None or isinstance(reason, KeyboardInterrupt | click.Abort):
        return _interrupted(name, end.code or INTERRUPTED)
    if _is_of_a_pipe(reason) and _is_reader_gone():
        silence(sys.stdout)
        return OK
    match reason:
        case SystemExit():
            return _exit_code(reason)
        case click.ClickException():
            return _usage(reason)
        case DiagnosticError():
            return report(reason)
        case OSError() | MemoryError():
            return report(of_system(_of_stdout(reason)))
        case _:
            return internal_error(name, reason)


def report(failure: DiagnosticError) -> int:
    """Shows the diagnostics and returns the exit code for them."""
    try:
        print_diagnostics(failure)
    except (OSError, ValueError):
        silence(sys.stderr)
    _note(failure.diagnostics)
    return DIAGNOSTICS


def of_system(reason: OSError | MemoryError) -> DiagnosticError:
    """What the system has refused, as a diagnostic: output-not-written, no-working-directory, out-of-memory,
    system-error."""
    if isinstance(reason, StandardOutput):
        silence(sys.stdout)
        return error("output-not-written", f"standard output: {reason.strerror}")
    if isinstance(reason, MemoryError):
        return error("out-of-memory", str(reason) or "no memory is left")
    if isinstance(reason, FileNotFoundError) and not _has_directory():
        return error("no-working-directory", "the working directory is no longer there")
    where = "" if reason.filename is None else f"`{_name(reason.filename)}`: "
    return error("system-error", f"{where}{reason.strerror or reason}")


def internal_error(name: str, reason: BaseException) -> int:
    """Puts the traceback into a file and tells the user where it is."""
    what, text = describe(name, reason)
    _note([Diagnostic("internal-error", f"{name}: {what}")])
    say(f"{name}: internal error: {what}", err=True)
    try:
        say(f"This is a fault of OpenWafer. Please report it with {keep(text)}", err=True)
    except OSError as why:
        say(f"This is a fault of OpenWafer. Please report it with what follows ({why})\n\n{text}", err=True)
    return INTERNAL


def _interrupted(name: str, code: int) -> int:
    _signals.show_cursor()
    say(f"{name}: {'interrupted' if code == INTERRUPTED else 'terminated'}", err=True)
    return code


def _exit_code(end: SystemExit) -> int:
    """As Python ends with it: a text is an error message."""
    if end.code is None or isinstance(end.code, int):
        return end.code or OK
    print(end.code, file=sys.stderr)
    return DIAGNOSTICS


def _usage(reason: click.ClickException) -> int:
    shown = io.StringIO()
    reason.show(shown)
    say(shown.getvalue(), err=True, nl=False)
    return USAGE


def _note(diagnostics: Iterable[Diagnostic]) -> None:
    path = environment.DIAGNOSTICS.get()
    if not path:
        return
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.writelines(json_text(to_json(d)) + "\n" for d in diagnostics)
    except OSError as reason:
        say(f"{environment.DIAGNOSTICS.name}: cannot write `{path}`: {reason.strerror}", err=True)


def _name(file: object) -> str:
    return os.fsdecode(file) if isinstance(file, str | bytes | os.PathLike) else str(file)  # pyright: ignore


def _has_directory() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True


def _of_stdout(reason: OSError | MemoryError) -> OSError | MemoryError:
    """What standard output has against what is still to be written there, if it has; else `reason`."""
    try:
        flush()
    except StandardOutput as found:
        return found
    return reason


def _is_of_a_pipe(reason: BaseException) -> bool:
    """Also where a library has made an exit of it."""
    return isinstance(reason, BrokenPipeError) or isinstance(reason.__context__, BrokenPipeError)


def _is_reader_gone() -> bool:
    """Whether it is the pipe of standard output that is broken, and not another."""
    poll = select.poll()
    try:
        poll.register(sys.stdout.fileno(), select.POLLOUT)
    except (AttributeError, OSError, ValueError):
        return False
    return any(event & select.POLLERR for _, event in poll.poll(0))
