"""What the batch simulation is told of a fleet: pools of equal replicas, classes of requests, changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Role = Literal["both", "prefill", "decode"]
Rule = Literal["round-robin", "two-choices", "least"]
Kind = Literal["down", "up", "drain", "open"]
ROLES: tuple[Role, ...] = ("both", "prefill", "decode")
RULES: tuple[Rule, ...] = ("round-robin", "two-choices", "least")
KINDS: tuple[Kind, ...] = ("down", "up", "drain", "open")
FOREVER_S = 1e18
NO_BOUND = 2**62
MOST_TOKENS = 10**8
"""Of a prompt, and of an answer."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StepTable:
    """A step of one replica by the number of sequences in its batch, from 0: seconds, seconds more for each
    token of their contexts, and watts of the replica. Entry 0: a step that only reads prompts."""

    seconds: NDArray[np.float64]
    context_s: NDArray[np.float64]
    watts: NDArray[np.float64]

    @property
    def most_sequences(self) -> int:
        return len(self.seconds) - 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """Equal replicas in one place, each with a copy of the model.

    prompt_token_s, prompt_pair_s: seconds of a prompt token, and more for each token before it; room_tokens:
    KV cache of a replica; step_tokens: most tokens of a step; reserves: whether a request is admitted only
    with room for its whole answer (else the newest is preempted when the cache is full); decode_pool: of a
    prefill pool, where its caches go, in transfer_s + tokens · transfer_token_s; delay_s: network, both ways;
    failover_s: until a request of a lost replica is sent again; keep_s: how long the cache of a conversation
    stays; affinity_waiting: how many may wait at a replica that a conversation goes back to.
    """

    name: str
    replicas: int
    steps: StepTable
    prompt_token_s: float
    prompt_pair_s: float = 0.0
    room_tokens: int
    step_tokens: int = 2048
    role: Role = "both"
    reserves: bool = False
    decode_pool: str | None = None
    transfer_s: float = 0.0
    transfer_token_s: float = 0.0
    delay_s: float = 0.0
    failover_s: float = 5.0
    keep_s: float = 300.0
    affinity_waiting: int = 4
    rule: Rule = "two-choices"
    prompt_watts: float = 0.0
    idle_watts: float = 0.0
    site: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """A class of requests. `routes`: pools with the share that each should get; what a pool cannot take goes
    to the others in this order. A lower `level` (0 to 2) goes first. A request is not sent to a replica with
    `most_waiting` waiters; if there is no other it is refused, or, with `most_held_s`, held so long.
    `shares`: of the routes by period, (periods, routes), where they change."""

    name: str
    routes: tuple[tuple[str, float], ...]
    level: int = 1
    most_waiting: int = NO_BOUND
    most_held_s: float | None = None
    shares: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """At `at_s`, replica number `replica` of a pool goes down, comes up, drains or opens."""

    at_s: float
    kind: Kind
    pool: str
    replica: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Requests:
    """Columns of as many requests. arrival_s is in order; NaN for a turn that another one calls (`then`:
    the index of the next turn, -1 for none; it comes think_s after the end). `group`: index of the class;
    `cached`: tokens of the prompt that stood in the turn before; `shared`: that stand in every prompt of its
    kind; `session`: number of the conversation, -1 for none."""

    arrival_s: NDArray[np.float64]
    prompt: NDArray[np.int64]
    output: NDArray[np.int64]
    group: NDArray[np.int64]
    think_s: NDArray[np.float64] | None = None
    cached: NDArray[np.int64] | None = None
    shared: NDArray[np.int64] | None = None
    session: NDArray[np.int64] | None = None
    then: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.arrival_s)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fleet:
    """Pools and classes; `changes` in any order."""

    pools: tuple[Pool, ...]
    groups: tuple[Group, ...]
    changes: Sequence[Change] = field(default=())
