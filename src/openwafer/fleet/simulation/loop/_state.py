# pyright: basic
"""The tables of the batch simulation: NumPy records that compiled code reads and writes.

Times are seconds since the start, lengths are tokens. A request is an index, -1 is none.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np


def _record(seconds: str, whole: str, integer: type = np.int64) -> np.dtype:
    fields = [*((n, np.float64) for n in seconds.split()), *((n, integer) for n in whole.split())]
    return np.dtype(fields, align=True)


BOTH, PREFILL, DECODE = range(3)
"""Roles of a pool."""
NOT_COME, UNDER_WAY, SERVED, REFUSED, TOO_LONG, HELD, SHED = range(7)
"""States of a request. HELD: it waits for a quiet hour; SHED: it waited longer than it may."""
LEVELS = 3
"""Lists of waiters of a replica; lower ones go first."""
ROUND_ROBIN, TWO_CHOICES, LEAST = range(3)
"""Rules by which a pool gives a request to a replica."""
DOWN, UP, DRAIN, OPEN = range(4)
"""What can happen to a replica."""
BUSY_S, ENERGY_J, OUTPUT_TOKENS, PROMPT_TOKENS, REUSED_TOKENS = range(5)
"""What the meter counts by pool and period."""
METERS = 5
TRANSFER, RETURN = range(2)
"""Events of a request: its cache has reached the decode pool; it comes (again) to the router."""
NEVER = np.inf

REQUEST = _record(
    "arrival_s sent_s first_s end_s think_s",
    "group prompt output cached shared reused session then done todo held seen order after pool replica "
    "moves status",
    np.int32,
)
"""`sent_s`: when it first came to a replica; `cached`: tokens that it shares with the turn before, `shared`:
with all of its kind; `reused`: found in a cache; `then`: the next turn, which comes `think_s` after the end
of this one; `done`: tokens generated; `todo`: tokens of the prompt not yet read; `held`: of KV cache when
it joined, `seen`: context then; `after`: the next in a list; `moves`: how often it had to start again."""
SESSION = _record("last_s", "replica epoch tokens")
REPLICA = _record(
    "start_s prompt_s link_s",
    "pool down drain batch kv context step block partial chunk chunk_last waiting load pending read epoch "
    "first0 first1 first2 last0 last1 last2",
)
"""`block`: steps under way since `start_s`; `prompt_s`: of them for prompts; `partial`: the request whose
prompt is read in pieces; `chunk`: list of those whose prompt ends with this step; `load`: requests;
`pending`: tokens of prompts that are not yet read, `read`: those of the step under way."""
POOL = _record(
    "token_s pair_s transfer_s transfer_token_s delay_s failover_s prompt_w keep_s",
    "role budget room most_sequences first last reserves target rule turn affinity",
)
"""`token_s`, `pair_s`: time of a prompt token, and of each token that it sees; `room`: tokens of KV cache;
`first` to `last` - 1: its replicas; `affinity`: waiters up to which a session stays with its replica."""
GROUP = _record("most_held_s", "level most_waiting may_hold held_first held_last")
"""A class of requests; `most_waiting`: at a replica, above which it is not sent there."""
WORLD = _record("end_s period_s seed", "events held order steps blocks")

State = namedtuple(
    "State",
    "world requests sessions replicas pools groups routes weights steps when tree event_s event_i "
    "finish_s finish_i meter",
)
"""All tables. `routes[group]`: pools in order of preference, then -1; `weights[period, group]`: cumulated
shares of the routes; `steps[pool, 0 | 1 | 2, batch]`: seconds of a step, seconds for each token of context,
watts; `when`, `tree`: end of each replica's block, a tree of the earliest; `event_*`, `finish_*`: heaps."""
