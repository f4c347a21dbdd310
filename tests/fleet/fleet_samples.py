"""Plans for tests: the small example, and changes of its text."""

from __future__ import annotations

from pathlib import Path

from openwafer.diag import Source
from openwafer.fleet import Fleet, read_fleet

EXAMPLES = Path(__file__).parents[2] / "examples" / "fleet"
SMALL = (EXAMPLES / "1mw.toml").read_text("utf-8")


def changed(*changes: tuple[str, str], text: str = SMALL) -> str:
    """The text with each first part replaced by the second; a part that is not there is a mistake."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def small(*changes: tuple[str, str]) -> Fleet:
    return read_fleet(Source("fleet.toml", changed(*changes)))
