"""`cslc`: compiles a CSL layout into an image directory. The flags are those of the SDK's compiler."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from openwafer.cli._errors import run_command
from openwafer.cli._output import say
from openwafer.cli._record import record, record_machine, recorded
from openwafer.cli._value_type import ValueType
from openwafer.diag import showable


class _Pair(ValueType[tuple[int, int]]):
    """Two integers: `8,3`."""

    name = "X,Y"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        parts = str(value).split(",")
        if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
            self.fail(f"expected two whole numbers such as 8,3, found {value!r}", param, ctx)
        return int(parts[0]), int(parts[1])


class _Assignments(ValueType[dict[str, str]]):
    """Names with values: `M:4,N:6`."""

    name = "NAME:VALUE,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        found: dict[str, str] = {}
        for part in filter(None, (p.strip() for p in str(value).split(","))):
            name, colon, text = part.partition(":")
            if not colon or not name.strip() or not text.strip():
                self.fail(f"expected NAME:VALUE, found {part!r}", param, ctx)
            found[name.strip()] = text.strip()
        return found


_NATURAL = click.IntRange(min=0)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@recorded("compile")
@click.argument("layout")
@click.option("--arch", type=click.Choice(["wse2", "wse3"]), help="Architecture; wse2 if not given.")
@click.option("--machine", help="A machine file or its name; the architecture's own if not given.")
@click.option("--fabric-dims", type=_Pair(), help="Columns and rows of the fabric.")
@click.option("--fabric-offsets", type=_Pair(), help="Where on it the program's rectangle begins.")
@click.option("--params", type=_Assignments(), multiple=True, help="Values of `param`s of the layout.")
@click.option("--colors", type=_Assignments(), multiple=True, help="Values of `param`s that are colors.")
@click.option("--memcpy", is_flag=True, help="Let the host copy arrays and launch functions.")
@click.option("--channels", type=int, default=1, show_default=True, help="Channels between host and wafer.")
@click.option("--width-west-buf", type=_NATURAL, default=0, help="Columns of buffers in the west.")
@click.option("--width-east-buf", type=_NATURAL, default=0, help="Columns of buffers in the east.")
@click.option(
    "--max-inlined-iterations", type=_NATURAL, default=50, show_default=True, help="Limit for unrolled loops."
)
@click.option("--import-path", multiple=True, help="Where modules are looked for besides the importing file.")
@click.option(
    "--edition", type=click.Choice(["1.4", "2.10"]), help="Edition of CSL; what any of them has if not given."
)
@click.option("--verbose", is_flag=True, help="Say what was made.")
@click.option("-o", "output", default="out", show_default=True, help="The image directory.")
def command(**flags: Any) -> None:
    """Compile LAYOUT, a CSL file, into an image directory."""
    _compile(**flags)


def _compile(
    layout: str,
    arch: str | None,
    machine: str | None,
    fabric_dims: tuple[int, int] | None,
    fabric_offsets: tuple[int, int] | None,
    params: Sequence[dict[str, str]],
    colors: Sequence[dict[str, str]],
    output: str,
    verbose: bool,
    **others: Any,
) -> None:
    """Compiles and writes; what is wrong is a diagnostic."""
    from dataclasses import replace

    from openwafer.cli._fabric import check_layout, check_options, default_offsets
    from openwafer.csl import CompileOptions, compile_layout
    from openwafer.image import build

    start = time.perf_counter()
    facts = _machine(arch, machine)
    options = CompileOptions(
        arch=facts.arch,
        fabric_dims=fabric_dims,
        params=_merged(params),
        colors=_merged(colors),
        machine=facts,
        **others,
    )
    options = replace(options, fabric_offsets=fabric_offsets or default_offsets(options, facts))
    check_options(options, facts)
    with _progress(f"compiling {layout}"):
        compiled = compile_layout(layout, options, printed=say)
        check_layout(compiled, options, facts)
        image = build(compiled, facts, _metadata(layout, options))
        _write(image, output)
    record_machine(facts)
    record().result(**_sizes(image, output))
    if verbose:
        _summarize(image, output, time.perf_counter() - start)


def _write(image: Any, output: str) -> None:
    """Diagnostics: name-not-utf8, and those of `image.write`."""
    from openwafer.diag import error
    from openwafer.image import write

    try:
        write(image, output)
    except UnicodeEncodeError as reason:
        raise error(
            "name-not-utf8", f"the name `{reason.object}` of a file is not UTF-8", help="rename it"
        ) from None


def _machine(arch: str | None, machine: str | None) -> Any:
    """The facts for which a program is compiled, and which its image carries."""
    from openwafer.diag import error
    from openwafer.machine import load_machine

    name = machine or arch or "wse2"
    facts = load_machine(name)
    if arch is not None and facts.arch != arch:
        raise error(
            "machine-mismatch", f"machine `{name}` is {facts.arch}, not {arch}", help=f"--arch={facts.arch}"
        )
    return facts


def _merged(parts: Sequence[dict[str, str]]) -> dict[str, str]:
    return {name: value for part in parts for name, value in part.items()}


def _metadata(layout: str, options: Any) -> dict[str, str]:
    return {
        "source": layout,
        "memcpy": str(options.memcpy).lower(),
        "channels": str(options.channels),
        "colors": ",".join(f"{name}:{value}" for name, value in options.colors.items()),
    }


@contextmanager
def _progress(text: str) -> Generator[None]:
    """A spinner while something takes long, on a terminal only."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text(showable(text))):
        yield


def _sizes(image: Any, output: str) -> dict[str, Any]:
    from openwafer.image import used_bytes

    layout = image.layout
    programs = [{"name": p.name, "data_bytes": used_bytes(p)} for p in layout.programs]
    return {"image": output, "width": layout.width, "height": layout.height, "programs": programs}


def _summarize(image: Any, output: str, seconds: float) -> None:
    from openwafer.image import used_bytes

    layout = image.layout
    size = f"{layout.width} × {layout.height} PEs of {layout.arch}"
    say(f"{showable(output)}: {size}, {len(layout.programs)} programs")
    for program in layout.programs:
        say(f"  {showable(program.name)}: {used_bytes(program):,} B of data")
    say(f"  {seconds:.2f} s")


def arguments(args: Sequence[str]) -> list[str]:
    """The arguments with `-o=out` as `-o out`, which click would read as the name `=out`."""
    return [part for arg in args for part in (("-o", arg[3:]) if arg.startswith("-o=") else (arg,))]


def main() -> None:
    """Entry point of `cslc`."""
    sys.exit(run_command(command, "cslc", arguments(sys.argv[1:])))


if __name__ == "__main__":
    main()
