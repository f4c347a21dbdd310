"""Checks of what the batch simulation is given."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from openwafer.diag import error, suggest
from openwafer.fleet.simulation._inputs import MOST_TOKENS, Fleet, Group, Pool, Requests

ID = "simulation-bad-input"


def check_fleet(fleet: Fleet) -> None:
    """Diagnostics: simulation-bad-input."""
    names = [pool.name for pool in fleet.pools]
    for pool in fleet.pools:
        for text in _wrong_pool(pool, names):
            raise error(ID, f"pool `{pool.name}`: {text}")
    for group in fleet.groups:
        for text in _wrong_group(group, names):
            raise error(ID, f"class `{group.name}`: {text}")
    counts = {pool.name: pool.replicas for pool in fleet.pools}
    for change in fleet.changes:
        if not 0 <= change.replica < counts.get(change.pool, 0):
            raise error(ID, f"no replica {change.replica} of a pool `{change.pool}`")


def _wrong_pool(pool: Pool, names: list[str]) -> Iterator[str]:
    table = pool.steps
    if names.count(pool.name) > 1:
        yield "two pools have this name"
    if pool.replicas < 0:
        yield f"a negative number of replicas, {pool.replicas}"
    if not len(table.seconds) == len(table.context_s) == len(table.watts) or table.most_sequences < 1:
        yield "its table of steps needs as many seconds, context seconds and watts, at least two"
    if not (table.seconds[1:] > 0).all() or table.seconds[0] < 0 or (table.context_s < 0).any():
        yield "a step takes time"
    if pool.step_tokens < 1 or pool.room_tokens < 2 or pool.prompt_token_s <= 0:
        yield "tokens of a step, room for tokens and the time of a prompt token must be positive"
    if (pool.role == "prefill") != (pool.decode_pool is not None):
        yield "a prefill pool, and no other, has a decode pool"
    if pool.decode_pool is not None and pool.decode_pool not in names:
        yield f"no pool `{pool.decode_pool}`"


def _wrong_group(group: Group, names: list[str]) -> Iterator[str]:
    if not group.routes:
        yield "it has no route"
    for name, share in group.routes:
        if name not in names:
            hint = suggest(name, names)
            yield f"no pool `{name}`" + (f", {hint}" if hint else "")
        if not share >= 0:
            yield f"the share of `{name}` is {share:g}"
    if group.routes and not sum(share for _, share in group.routes) > 0:
        yield "its shares are all zero"
    if not 0 <= group.level <= 2:
        yield f"its level is {group.level}, not 0, 1 or 2"


def check_requests(requests: Requests, groups: int) -> None:
    """Diagnostics: simulation-bad-input."""
    known = requests.arrival_s[~np.isnan(requests.arrival_s)]
    if (np.diff(known) < 0).any() or (known < 0).any() or not np.isfinite(known).all():
        raise error(ID, "arrivals must be finite, not negative and in order")
    columns = [requests.prompt, requests.output, requests.group]
    columns += [
        c for c in (requests.cached, requests.shared, requests.session, requests.then) if c is not None
    ]
    if any(len(column) != len(requests) for column in columns):
        raise error(ID, "the columns of the requests differ in length")
    if len(requests) and (requests.prompt.min() < 1 or requests.output.min() < 1):
        raise error(ID, "a request has at least one token of prompt and of answer")
    if len(requests) and max(requests.prompt.max(), requests.output.max()) > MOST_TOKENS:
        raise error(ID, f"a request has more than {MOST_TOKENS:,} tokens")
    if len(requests) and not 0 <= requests.group.min() <= requests.group.max() < groups:
        raise error(ID, f"a request is of class {requests.group.max()}, there are {groups}")
    if requests.then is not None and len(requests) and requests.then.max() >= len(requests):
        raise error(ID, "a turn has a next turn that is not there")
