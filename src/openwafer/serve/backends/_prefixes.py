"""Prefixes whose keys and values are still there: in the memory that running texts leave free."""

from __future__ import annotations

from collections.abc import Sequence

from openwafer.serve.core._job import BLOCK_TOKENS


class Prefixes:
    """Blocks of prefixes by name (`blocks_of`), those used last kept longest."""

    __slots__ = ("_known", "block_tokens")

    def __init__(self, block_tokens: int = BLOCK_TOKENS) -> None:
        self.block_tokens = block_tokens
        self._known: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self._known)

    def cached(self, blocks: Sequence[int]) -> int:
        """Tokens of the longest known prefix."""
        known, count = self._known, 0
        for block in blocks:
            if block not in known:
                break
            count += 1
        return count * self.block_tokens

    def add(self, blocks: Sequence[int], room_tokens: float) -> None:
        """Keeps them, and forgets the oldest that do not fit into the room. Later blocks of a text are
        older than its first: without its beginning an end is of no use."""
        known = self._known
        for block in reversed(blocks):
            known.pop(block, None)
            known[block] = None
        self.shrink(room_tokens)

    def shrink(self, room_tokens: float) -> None:
        most = max(int(room_tokens // self.block_tokens), 0)
        while len(self._known) > most:
            del self._known[next(iter(self._known))]

    def clear(self) -> None:
        self._known.clear()
