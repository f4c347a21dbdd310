"""Conversations and agents: turns that repeat what was said before, each after the end of the one before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwafer.fleet.simulation._inputs import Requests
from openwafer.fleet.simulation._traffic import LengthTable


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sessions:
    """`turns`: mean number, geometric; `think_s`: mean pause, exponential (of an agent: its tools); `first`,
    `added`: tokens that begin a session, and that each further turn adds; `longest`: context of the model,
    at which a session ends."""

    turns: float
    think_s: float
    first: LengthTable
    added: LengthTable
    output: LengthTable
    longest: int = 2**31

    def draw(self, starts_s: NDArray[np.float64], group: int, rng: np.random.Generator) -> Requests:
        """The requests of sessions that begin at these times."""
        turns = rng.geometric(1 / max(self.turns, 1.0), len(starts_s))
        session = np.repeat(np.arange(len(starts_s)), turns)
        total = len(session)
        place = np.arange(total) - np.repeat(np.cumsum(turns) - turns, turns)
        output = self.output.draw(total, rng)
        added = np.where(place == 0, self.first.draw(total, rng), self.added.draw(total, rng))
        grown = np.cumsum(added + output)
        before = grown - added - output
        cached = before - np.repeat(before[place == 0], turns)
        prompt = cached + added
        keep = (prompt + output <= self.longest) | (place == 0)
        return _kept(
            keep, session=session, place=place, starts_s=starts_s, prompt=prompt, output=output,
            cached=cached, group=group, think_s=rng.exponential(self.think_s, total),
        )  # fmt: skip


def _kept(
    keep: NDArray[np.bool_], *, session: NDArray[np.int64], place: NDArray[np.int64],
    starts_s: NDArray[np.float64], prompt: NDArray[np.int64], output: NDArray[np.int64],
    cached: NDArray[np.int64], group: int, think_s: NDArray[np.float64],
) -> Requests:  # fmt: skip
    """Contexts grow, so what is kept of a session is its beginning."""
    session, place = session[keep], place[keep]
    last = np.append(session[1:] != session[:-1], True)[: len(session)]
    index = np.arange(len(session))
    return Requests(
        arrival_s=np.where(place == 0, starts_s[session], np.nan),
        prompt=prompt[keep],
        output=output[keep],
        group=np.full(len(session), group),
        think_s=think_s[keep],
        cached=cached[keep],
        session=session,
        then=np.where(last, -1, index + 1),
    )
