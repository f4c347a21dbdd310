"""Whether threads pay: decided round by round, by what was measured."""

from __future__ import annotations

from dataclasses import dataclass, field

RETRY_ROUNDS = 32
"""Every so many rounds the slower way is measured again: other programs may have left the processor."""


@dataclass(slots=True)
class Pace:
    """Items served in a second without and with helpers; unknown ones are taken to be fast, so that both are
    tried."""

    rates: list[float] = field(default_factory=lambda: [float("inf")] * 2)
    rounds: int = 0

    def calls_helpers(self, items: int, wide_items: int) -> bool:
        """Whether the next round is to have helpers, after one that served `items`, `wide_items` of them in
        phases with enough to do for several threads."""
        if 2 * wide_items <= items:
            return False
        self.rounds += 1
        return (self.rates[1] >= self.rates[0]) != (self.rounds % RETRY_ROUNDS == 0)

    def note(self, with_helpers: bool, items: int, seconds: float) -> None:
        """What a round has shown."""
        self.rates[with_helpers] = items / max(seconds, 1e-9)
