"""The commands `openwafer`, `cslc` and `cs_python`."""

from openwafer.cli._start import openwafer as main

__all__ = ["main"]
