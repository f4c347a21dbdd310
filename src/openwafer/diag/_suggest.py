"""“Did you mean”: the nearest known name."""

from __future__ import annotations

from collections.abc import Iterable


def edit_distance(a: str, b: str) -> int:
    """Levenshtein distance."""
    row = list(range(len(b) + 1))
    for i, ca in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, cb in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (ca != cb))
    return row[-1]


def suggest(name: str, known: Iterable[str]) -> str | None:
    """``did you mean `x`?`` for the nearest known name within edit distance 2, else None."""
    near = [(edit_distance(name, k), k) for k in known if abs(len(k) - len(name)) <= 2]
    best = min(near, default=None)
    if best is None or best[0] > 2 or best[0] >= max(len(name), 1):
        return None
    return f"did you mean `{best[1]}`?"
