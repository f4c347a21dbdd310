"""`cs_python`: runs a host script of the SDK as `python` would, with `cerebras.sdk…` importable."""

from __future__ import annotations

import builtins
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from openwafer._versions import own_version
from openwafer.cli import _errors
from openwafer.cli._output import say
from openwafer.cli._signals import as_in_python
from openwafer.cli._traceback import is_ours_at_fault, located, show_traceback
from openwafer.diag import DiagnosticError, environment, showable

_USAGE = """\
Usage: cs_python SCRIPT [ARGS]...
       cs_python -m MODULE [ARGS]...
       cs_python -c COMMAND [ARGS]...

  Run a host script written for SdkRuntime on the simulated wafer.

  The script sees what it would see under `python`: its arguments, its
  directory on the path, itself as `__main__`. `cerebras.sdk` is importable
  in this process only.

Environment:
  OPENWAFER_ENGINE   fast (default) or reference
  OPENWAFER_THREADS  threads of the simulator
  OPENWAFER_SEED     number that `random` and `numpy.random` begin with
  OPENWAFER_MAX_CYCLES       the cycle at which a simulation is ended
  OPENWAFER_WATCHDOG_CYCLES  so long only scalar code may run; 0: for ever
  OPENWAFER_HANG_REPORT      directory for hang.json and hang.svg
  OPENWAFER_MACHINE          machine to run on, not that of the compiled program
  OPENWAFER_PROFILE          file for profiles, a line of JSON each

`openwafer run` has the same as options.
"""


def main() -> None:
    """Entry point of `cs_python`."""
    sys.exit(_errors.bounded("cs_python", lambda: run(sys.argv[1:])))


def run(args: list[str]) -> int:
    """Runs what the arguments name and returns the exit code, unless the script exits itself."""
    if not args or args[0] in ("-h", "--help"):
        say(_USAGE, err=not args, nl=False)
        return _errors.OK if args else _errors.USAGE
    if args[0] == "--version":
        say(f"cs_python {own_version()} (Python {sys.version.split()[0]})")
        return _errors.OK
    if args[0] in ("-c", "-m"):
        return _run_option(args[0], args[1:])
    if args[0].startswith("-") and args[0] != "-":
        say(f"cs_python: unknown option {args[0]}\n{_USAGE}", err=True, nl=False)
        return _errors.USAGE
    return _run_script(args)


def _run_option(option: str, args: list[str]) -> int:
    if not args:
        say(f"cs_python: {option} needs an argument", err=True)
        return _errors.USAGE
    if option == "-c":
        sys.argv = ["-c", *args[1:]]
        _first_on_path("")
        return _guarded(_code_runner(args[0], "<string>"))
    import runpy

    sys.argv = ["-m", *args[1:]]
    _first_on_path(_working_directory())
    return _guarded(lambda: runpy.run_module(args[0], run_name="__main__", alter_sys=True))


def _run_script(args: list[str]) -> int:
    path = args[0]
    try:
        text = sys.stdin.buffer.read() if path == "-" else _read(path)
    except (OSError, ValueError) as reason:
        why = reason.strerror if isinstance(reason, OSError) else reason
        say(f"cs_python: can't open file {path!r}: {why}", err=True)
        return _errors.USAGE
    sys.argv = args
    _first_on_path("" if path == "-" else os.path.dirname(os.path.realpath(path)))
    return _guarded(_code_runner(text, "<stdin>" if path == "-" else path))


def _working_directory() -> str:
    """Its path; nothing if it is gone."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _first_on_path(directory: str) -> None:
    """Puts a directory where `python` puts that of the script, in place of that of this command."""
    if not sys.flags.safe_path and sys.path:
        del sys.path[0]
    sys.path.insert(0, directory)
    from openwafer.host import numpy1

    numpy1.install(directory)


def _code_runner(text: str | bytes, path: str) -> Callable[[], object]:
    def run_code() -> None:
        from openwafer.host.numpy1 import compile_script

        code = compile_script(text, path)
        module = ModuleType("__main__")
        module.__dict__["__builtins__"] = builtins
        if not path.startswith("<"):
            module.__dict__["__file__"] = path
        sys.modules["__main__"] = module
        exec(code, module.__dict__)

    return run_code


def _seed() -> None:
    """Makes runs of one script comparable: what it draws without a seed of its own is the same each time."""
    seed = environment.SEED.get()
    if seed is not None:
        import random

        import numpy

        random.seed(seed)
        numpy.random.seed(seed % 2**32)


def _guarded(action: Callable[[], object]) -> int:
    """Runs the user's code. Our frames are in no traceback; a diagnostic is shown with the script's line."""
    from openwafer.host import install

    install()
    try:
        with as_in_python():
            _seed()
            action()
        return _errors.OK
    except (SystemExit, KeyboardInterrupt):
        raise
    except DiagnosticError as failure:
        code = _errors.report(located(failure))
        _write_hang(failure)
        return code
    except BaseException as reason:
        if is_ours_at_fault(reason):
            raise
        show_traceback(reason)
        return 1


def _write_hang(failure: DiagnosticError) -> None:
    """A program that hangs: the report as JSON and as a picture, where the environment says."""
    data = next((d.data for d in failure.diagnostics if d.data and "chain" in d.data), None)
    directory = environment.HANG_REPORT.get()
    if data is not None and directory:
        from openwafer.report import write_hang

        paths = write_hang(data, Path(directory))
        report, picture = (showable(str(path)) for path in paths)
        say(f"the report is in {report}, its picture in {picture}", err=True)


if __name__ == "__main__":
    main()
