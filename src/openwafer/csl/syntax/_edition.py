"""The editions of CSL, and what a later one no longer has. The library is of every edition."""

from __future__ import annotations

from openwafer.csl._options import CompileOptions
from openwafer.diag import Span, error

EDITIONS = ("1.4", "2.10")
REMOVED: dict[str, tuple[str, ...]] = {"2.10": ("comptime_struct", "@concat_structs")}
INSTEAD = "a `param` without a type takes any struct; a named struct has its fields declared"


def check_edition(options: CompileOptions) -> None:
    """Diagnostics: unknown-edition."""
    if options.edition is not None and options.edition not in EDITIONS:
        known = " and ".join(EDITIONS)
        message = f"there is no edition `{options.edition}` of CSL"
        raise error("unknown-edition", message, notes=(f"there are {known}",))


def check_removed(options: CompileOptions, name: str, path: str, span: Span) -> None:
    """Refuses what the edition of the program has no more. Diagnostics: removed-in-edition."""
    if name in REMOVED.get(options.edition or "", ()) and not path.startswith("<"):
        message = f"edition {options.edition} has no `{name}`"
        raise error("removed-in-edition", message, span, notes=(INSTEAD,))
