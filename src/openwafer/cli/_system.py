"""What a command needs of the operating system."""

from __future__ import annotations

import os

from openwafer.diag import error


def require_posix(what: str) -> None:
    """Refuses what Windows cannot do; `what` says what it is. Diagnostics: not-on-this-system."""
    if os.name == "nt":
        raise error("not-on-this-system", f"{what}, which Windows does not have", help="run it in WSL")
