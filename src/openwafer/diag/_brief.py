"""Messages of a bounded length: names and values in them come from files of any size."""

from __future__ import annotations

MOST_CHARACTERS = 1000


def brief(message: str) -> str:
    """The message, without its middle where it is too long to be read."""
    if len(message) <= MOST_CHARACTERS:
        return message
    half = MOST_CHARACTERS // 2
    return f"{message[:half]} … {message[-half:]}"
