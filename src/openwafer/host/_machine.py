"""The machine on which an image runs: its own, or another that the user names."""

from __future__ import annotations

from collections.abc import Mapping

from openwafer.diag import environment, warn
from openwafer.image import Image, run_on
from openwafer.machine import BUILT_IN, Fact, Machine, Value, load_machine

SHOWN_FACTS = 3


def for_machine(image: Image, asked: str | Machine | None) -> Image:
    """The image for the machine that is asked for, by argument or environment; without, for its own.

    Warnings: other-machine, when that is not the one it was compiled for; machine-changed, when that is a
    built-in one whose facts are others today.
    Diagnostics: image-does-not-fit, and those of `load_machine`."""
    wanted = asked or environment.MACHINE.get()
    if wanted:
        return _on_other(image, load_machine(wanted))
    own = image.machine
    if own.origin in BUILT_IN and (changes := _changes(own, load_machine(own.origin))):
        warn(
            "machine-changed",
            f"the program was compiled for `{own.origin}` as it was then, and runs on that",
            notes=changes,
            help=f"`--machine {own.origin}` runs it on today's, as does compiling it again",
        )
    return image


def _on_other(image: Image, machine: Machine) -> Image:
    changes = _changes(image.machine, machine)
    moved = run_on(image, machine)
    if changes:
        names = image.machine.name, machine.name
        alike = " of other facts" if names[0] == names[1] else ""
        message = f"the program was compiled for `{names[0]}` and runs on `{names[1]}`{alike}"
        warn("other-machine", message, notes=changes)
    return moved


def _changes(compiled: Machine, running: Machine) -> list[str]:
    """The facts that differ, a few of them in words; nothing if none does."""
    if compiled.hash() == running.hash():
        return []
    before, after = compiled.by_name, running.by_name
    names = [n for n in {**before, **after} if _value(before, n) != _value(after, n)]
    lines = [f"`{n}` was {_value(before, n)}, is {_value(after, n)}" for n in names[:SHOWN_FACTS]]
    rest = len(names) - SHOWN_FACTS
    return [*lines, f"and {rest} more"] if rest > 0 else lines


def _value(facts: Mapping[str, Fact], name: str) -> Value | str:
    return facts[name].value if name in facts else "absent"
