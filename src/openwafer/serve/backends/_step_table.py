"""Times and power of a deployment as lists: a look-up costs a microsecond."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from openwafer.estimate import Deployment

Floats = NDArray[np.float64]


class StepTable:
    """Seconds and watts of a step by sequences (whole numbers) and mean context, seconds of a prompt by its
    tokens: linear between the deployment's points in the context, geometric in the sequences."""

    __slots__ = ("_busy", "_contexts", "_prompt", "_prompts", "_seconds", "_watts", "most_users")

    def __init__(self, deployed: Deployment, most_users: int) -> None:
        self.most_users = most_users
        counts = np.arange(1, most_users + 1)
        self._contexts: list[float] = deployed.contexts.tolist()
        self._seconds = _by_count(deployed.token_s, deployed.users, counts)
        self._watts = _by_count(deployed.watts, deployed.users, counts)
        self._prompts: list[float] = deployed.prompts.tolist()
        self._prompt: list[float] = deployed.prompt_s.tolist()
        self._busy: list[float] = deployed.busy_s.tolist()

    def step(self, users: int, context: float) -> tuple[float, float]:
        """Seconds and watts."""
        row = (users if users < self.most_users else self.most_users) - 1
        at, part = _place(self._contexts, context)
        seconds, watts = self._seconds[row], self._watts[row]
        return (
            seconds[at - 1] + (seconds[at] - seconds[at - 1]) * part,
            watts[at - 1] + (watts[at] - watts[at - 1]) * part,
        )

    def prompt(self, tokens: float) -> tuple[float, float]:
        """Seconds until it is read, and seconds that others wait for it."""
        at, part = _place(self._prompts, tokens)
        whole, busy = self._prompt, self._busy
        return (
            whole[at - 1] + (whole[at] - whole[at - 1]) * part,
            busy[at - 1] + (busy[at] - busy[at - 1]) * part,
        )


def _place(points: list[float], value: float) -> tuple[int, float]:
    """Index of the point behind a value (at least 1) and the part of the way to it; ends are held."""
    at = bisect_left(points, value)
    if at == 0:
        return 1, 0.0
    if at == len(points):
        return at - 1, 1.0
    low = points[at - 1]
    return at, (value - low) / (points[at] - low)


def _by_count(values: Floats, users: Floats, counts: NDArray[np.int64]) -> list[list[float]]:
    """[users, contexts] values at whole numbers of users."""
    at, known = np.log(counts), np.log(users)
    rows = np.empty((counts.size, values.shape[1]))
    for i in range(values.shape[1]):
        rows[:, i] = np.exp(np.interp(at, known, np.log(values[:, i])))
    return rows.tolist()
