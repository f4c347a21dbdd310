"""The commands `openwafer`, `cslc` and `cs_python`."""

from openwafer.cli._main import main

__all__ = ["main"]
