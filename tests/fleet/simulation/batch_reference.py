"""The rules of the batch simulation once more: simpy processes that take every iteration one by one."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import simpy

from openwafer.fleet.simulation import Fleet, Pool, Requests


@dataclass(eq=False)
class Asked:
    """One request."""

    number: int
    prompt: int
    output: int
    level: int
    session: int
    cached: int
    then: int
    think_s: float
    arrival_s: float = np.nan
    first_s: float = np.nan
    end_s: float = np.nan
    done: int = 0
    todo: int = 0
    kv: int = 0
    context: int = 0
    order: int = 0
    moves: int = 0
    has_cache: bool = False


@dataclass(eq=False)
class Server:
    """One replica."""

    pool: Pool
    waiting: list[list[Asked]] = field(default_factory=lambda: [[], [], []])
    batch: list[Asked] = field(default_factory=list)
    partial: Asked | None = None
    prompts: list[Asked] = field(default_factory=list)
    down: int = 0
    drain: int = 0
    epoch: int = 0
    link_s: float = 0.0
    wake: Any = None
    process: Any = None
    is_asleep: bool = False

    @property
    def kv(self) -> int:
        return sum(q.kv for q in [*self.batch, *self.prompts, *([self.partial] if self.partial else [])])

    @property
    def is_open(self) -> bool:
        return self.down == 0 and self.drain == 0

    def head(self) -> Asked | None:
        return next((queue[0] for queue in self.waiting if queue), None)


class Reference:
    """A fleet with the rule `round-robin` and one route a class."""

    def __init__(self, fleet: Fleet, requests: Requests) -> None:
        self.fleet, self.env = fleet, simpy.Environment()
        self.servers = {p.name: [Server(p) for _ in range(p.replicas)] for p in fleet.pools}
        self.turn = {p.name: 0 for p in fleet.pools}
        self.sessions: dict[int, tuple[Server, int, int, float]] = {}
        self.order = 0
        zero, none = np.zeros(len(requests), np.int64), np.full(len(requests), -1)
        columns = [requests.prompt, requests.output, requests.group]
        columns += [none if c is None else c for c in (requests.session,)]
        columns += [zero if requests.cached is None else requests.cached]
        columns += [none if requests.then is None else requests.then]
        think = zero.astype(float) if requests.think_s is None else requests.think_s
        self.asked: list[Asked] = []
        self.route: list[str] = []
        for i, (p, o, g, s, c, t) in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
            self.asked.append(Asked(i, p, o, fleet.groups[g].level, s, c, t, float(think[i])))
            self.route.append(fleet.groups[g].routes[0][0])
        for servers in self.servers.values():
            for server in servers:
                server.process = self.env.process(self.serve(server))
        for i, at in enumerate(requests.arrival_s):
            if not np.isnan(at):
                self.env.process(self.arrive(self.asked[i], float(at)))
        for change in sorted(fleet.changes, key=lambda change: change.at_s):
            self.env.process(self.change(change))

    def run(self) -> None:
        self.env.run()

    def arrive(self, q: Asked, at: float) -> Generator[Any, Any, None]:
        yield self.env.timeout(at - self.env.now)
        if np.isnan(q.arrival_s):
            q.arrival_s = at
        self.dispatch(q)

    def again(self, q: Asked, after: float) -> None:
        q.moves += 1
        self.env.process(self.arrive(q, self.env.now + after))

    def in_turn(self, pool: str) -> Server | None:
        servers = self.servers[pool]
        for _ in servers:
            server = servers[self.turn[pool] % len(servers)]
            self.turn[pool] += 1
            if server.is_open:
                return server
        return None

    def dispatch(self, q: Asked) -> None:
        server = None
        if q.session in self.sessions:
            home, epoch, _, _ = self.sessions[q.session]
            crowd = sum(map(len, home.waiting))
            if home.is_open and home.epoch == epoch and crowd < home.pool.affinity_waiting:
                server = home
        server = server or self.in_turn(self.route[q.number])
        if server is not None:
            self.enqueue(server, q, False)

    def enqueue(self, server: Server, q: Asked, has_cache: bool) -> None:
        q.has_cache = has_cache
        reused = 0
        if q.session in self.sessions:
            home, epoch, tokens, last = self.sessions[q.session]
            if home is server and epoch == server.epoch and self.env.now - last <= server.pool.keep_s:
                reused = min(q.cached, tokens, q.prompt - 1)
        q.todo = 0 if has_cache else q.prompt + q.done - reused
        server.waiting[q.level].append(q)
        if server.is_asleep:
            server.is_asleep = False
            server.wake.succeed()

    def serve(self, server: Server) -> Generator[Any, Any, None]:
        while True:
            try:
                yield from self.steps(server)
            except simpy.Interrupt:
                self.lose(server)

    def steps(self, server: Server) -> Generator[Any, Any, None]:
        while True:
            duration = self.form_step(server)
            if duration is None:
                server.wake, server.is_asleep = self.env.event(), True
                yield server.wake
                continue
            yield self.env.timeout(duration)
            self.end_step(server)

    def form_step(self, server: Server) -> float | None:
        pool = server.pool
        while not pool.reserves and server.batch and server.kv + len(server.batch) > pool.room_tokens:
            self.preempt(server)
        budget, seconds = pool.step_tokens - len(server.batch), 0.0
        server.prompts = []
        if server.partial and budget > 0:
            q, server.partial = server.partial, None
            budget, seconds = self.read(server, q, budget, seconds)
        while budget > 0 and server.partial is None:
            q = server.head()
            if q is None or not self.fits(server, q):
                break
            server.waiting[q.level].pop(0)
            whole = q.prompt + q.done - q.has_cache
            q.kv, q.context = (q.prompt + q.output if pool.reserves else whole), whole
            if q.has_cache:
                self.join(server, q)
                budget -= 1
            else:
                budget, seconds = self.read(server, q, budget, seconds)
        size = len(server.batch)
        if not server.prompts and server.partial is None and not size:
            return None
        context = sum(q.context for q in server.batch)
        return float(pool.steps.seconds[size] + pool.steps.context_s[size] * context + seconds)

    def fits(self, server: Server, q: Asked) -> bool:
        pool, size = server.pool, len(server.batch) + len(server.prompts)
        if size >= pool.steps.most_sequences:
            return False
        if pool.reserves:
            return server.kv + q.prompt + q.output <= pool.room_tokens
        return server.kv + q.prompt + q.done - q.has_cache + size + 1 <= pool.room_tokens

    def read(self, server: Server, q: Asked, budget: int, seconds: float) -> tuple[int, float]:
        pool, tokens = server.pool, min(q.todo, budget)
        before = q.prompt + q.done - q.todo
        seconds += tokens * (pool.prompt_token_s + pool.prompt_pair_s * (before + tokens / 2))
        q.todo -= tokens
        if q.todo:
            server.partial = q
        else:
            server.prompts.append(q)
        return budget - tokens, seconds

    def preempt(self, server: Server) -> None:
        if server.partial:
            q, server.partial = server.partial, None
        else:
            q = max(server.batch, key=lambda q: q.order)
            server.batch.remove(q)
        q.todo, q.kv, q.has_cache = q.prompt + q.done, 0, False
        q.moves += 1
        server.waiting[q.level].insert(0, q)

    def join(self, server: Server, q: Asked) -> None:
        self.order += 1
        q.order = self.order
        server.batch.append(q)

    def end_step(self, server: Server) -> None:
        for q in list(server.batch):
            q.done += 1
            q.context += 1
            q.kv += 0 if server.pool.reserves else 1
            if q.done == q.output:
                server.batch.remove(q)
                self.complete(server, q)
        prompts, server.prompts = server.prompts, []
        for q in prompts:
            if np.isnan(q.first_s):
                q.first_s = self.env.now + server.pool.delay_s
            self.keep(server, q, q.prompt + q.done)
            q.done += 1
            if q.done >= q.output:
                self.complete(server, q)
            elif server.pool.decode_pool:
                self.env.process(self.hand_over(server, q))
            else:
                self.join(server, q)

    def keep(self, server: Server, q: Asked, tokens: int) -> None:
        if q.session >= 0:
            self.sessions[q.session] = (server, server.epoch, tokens, self.env.now)

    def hand_over(self, server: Server, q: Asked) -> Generator[Any, Any, None]:
        pool = server.pool
        server.link_s = max(self.env.now, server.link_s) + q.prompt * pool.transfer_token_s
        yield self.env.timeout(server.link_s + pool.transfer_s - self.env.now)
        assert pool.decode_pool is not None
        target = self.in_turn(pool.decode_pool)
        if target:
            self.enqueue(target, q, True)
        else:
            self.again(q, next(p for p in self.fleet.pools if p.name == pool.decode_pool).failover_s)

    def complete(self, server: Server, q: Asked) -> None:
        q.end_s = self.env.now + server.pool.delay_s
        if q.session >= 0 and self.sessions[q.session][0] is server:
            self.keep(server, q, q.prompt + q.output)
        if q.then >= 0:
            self.env.process(self.arrive(self.asked[q.then], q.end_s + q.think_s))

    def change(self, change: Any) -> Generator[Any, Any, None]:
        yield self.env.timeout(change.at_s)
        server = self.servers[change.pool][change.replica]
        if change.kind == "down":
            if server.down == 0:
                server.epoch += 1
                if server.is_asleep:
                    self.lose(server)
                else:
                    server.process.interrupt()
            server.down += 1
        else:
            server.down -= change.kind == "up"
            server.drain += {"drain": 1, "open": -1}.get(change.kind, 0)

    def lose(self, server: Server) -> None:
        under_way = [*server.batch, *server.prompts, *([server.partial] if server.partial else [])]
        lost = [*under_way, *(q for queue in server.waiting for q in queue)]
        for q in sorted(lost, key=lambda q: q.number):
            q.kv = 0
            self.again(q, server.pool.failover_s)
        server.batch, server.prompts, server.partial = [], [], None
        server.waiting = [[], [], []]
