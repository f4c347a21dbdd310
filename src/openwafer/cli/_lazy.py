"""A group whose sub-commands are imported when they are called."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from typing import ClassVar

import click

from openwafer.diag import suggest

Commands = Mapping[str, tuple[str, str]]
"""Name → module with a click command `command`, and its line in the help."""


class LazyGroup(click.Group):
    """Sub-commands by name; listing them imports none. A subclass lists them in `lazy`."""

    lazy: ClassVar[Commands] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, (module, _) in self.lazy.items() if importlib.util.find_spec(module)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in (names := self.list_commands(ctx)):
            hint = suggest(cmd_name, names)
            ctx.fail(f"no command {cmd_name!r}" + (f", {hint}" if hint else ""))
        command = importlib.import_module(self.lazy[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, self.lazy[name][1]) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
