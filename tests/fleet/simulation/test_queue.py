"""Stations of servers against closed forms and simpy."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import numpy as np
import pytest
import simpy
from numpy.typing import NDArray

from openwafer.diag import DiagnosticError
from openwafer.fleet.simulation import simulate_queue

COUNT = 4_000_000


def poisson(rate: float, count: int, seed: int) -> NDArray[np.float64]:
    return np.cumsum(np.random.default_rng(seed).exponential(1 / rate, count))


def erlang_c(servers: int, load: float) -> float:
    """Probability that an arrival waits; `load` in servers."""
    terms = [load**k / math.factorial(k) for k in range(servers)]
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    return last / (sum(terms) + last)


@pytest.mark.parametrize(("servers", "busy"), [(1, 0.6), (4, 0.7), (16, 0.8)])
def test_mean_wait_of_m_m_c(servers: int, busy: float) -> None:
    """W = C(c, a) / (c μ - λ)."""
    arrival = poisson(busy * servers, COUNT, 1)
    service = np.random.default_rng(2).exponential(1.0, COUNT)
    wait = (simulate_queue(arrival, service, servers) - arrival).mean()
    assert wait == pytest.approx(erlang_c(servers, busy * servers) / (servers * (1 - busy)), rel=0.01)


@pytest.mark.parametrize("law", ["deterministic", "uniform", "gamma"])
def test_mean_wait_of_m_g_1(law: str) -> None:
    """W = λ E[S²] / 2 (1 - ρ), Pollaczek-Khinchine."""
    rng, rate = np.random.default_rng(3), 0.6
    service = {
        "deterministic": np.ones(COUNT),
        "uniform": rng.uniform(0, 2, COUNT),
        "gamma": rng.gamma(0.5, 2, COUNT),
    }[law]
    second = {"deterministic": 1.0, "uniform": 4 / 3, "gamma": 3.0}[law]
    arrival = poisson(rate, COUNT, 4)
    wait = (simulate_queue(arrival, service, 1) - arrival).mean()
    assert wait == pytest.approx(rate * second / 2 / (1 - rate), rel=0.01)


def test_loss_without_room_to_wait() -> None:
    """Erlang's B formula."""
    arrival, load, servers = poisson(8.0, COUNT, 5), 8.0, 10
    service = np.random.default_rng(6).exponential(1.0, COUNT)
    lost = np.isnan(simulate_queue(arrival, service, servers, most_waiting=0)).mean()
    terms = [load**k / math.factorial(k) for k in range(servers + 1)]
    assert lost == pytest.approx(terms[-1] / sum(terms), rel=0.01)


def test_two_levels_of_m_m_1() -> None:
    """Cobham: W_k = R / (1 - σ_{k-1})(1 - σ_k), R the mean rest of the service under way."""
    rng = np.random.default_rng(7)
    arrival, service = poisson(0.7, COUNT, 8), rng.exponential(1.0, COUNT)
    level = (rng.random(COUNT) < 3 / 7).astype(np.int64)
    wait = simulate_queue(arrival, service, 1, level=level) - arrival
    assert wait[level == 0].mean() == pytest.approx(0.7 / (1 - 0.4), rel=0.01)
    assert wait[level == 1].mean() == pytest.approx(0.7 / (1 - 0.4) / (1 - 0.7), rel=0.01)


def simpy_starts(
    arrival: NDArray[np.float64], service: NDArray[np.float64], level: NDArray[np.int64], servers: int
) -> NDArray[np.float64]:
    start, env = np.empty(len(arrival)), simpy.Environment()
    station = simpy.PriorityResource(env, servers)

    def request(i: int) -> Generator[Any, Any, None]:
        yield env.timeout(float(arrival[i]))
        with station.request(priority=int(level[i])) as turn:
            yield turn
            start[i] = env.now
            yield env.timeout(float(service[i]))

    for i in range(len(arrival)):
        env.process(request(i))
    env.run()
    return start


@pytest.mark.parametrize(("servers", "levels"), [(1, 1), (3, 1), (8, 3)])
def test_simpy_starts_each_request_at_the_same_time(servers: int, levels: int) -> None:
    rng = np.random.default_rng(servers)
    arrival, service = poisson(0.9 * servers, 5000, 9), rng.gamma(0.7, 1 / 0.7, 5000)
    level = rng.integers(0, levels, 5000)
    found = simulate_queue(arrival, service, servers, level=level)
    np.testing.assert_array_equal(found, simpy_starts(arrival, service, level, servers))


@pytest.mark.parametrize(
    ("arrival", "service", "servers", "text"),
    [
        ([1.0, 0.5], [1, 1], 1, "in order"),
        ([0.0], [-1.0], 1, "negative"),
        ([0.0], [1.0, 1.0], 1, "do not go together"),
        ([0.0], [1.0], 0, "at least one server"),
    ],
)
def test_bad_input(arrival: list[float], service: list[float], servers: int, text: str) -> None:
    with pytest.raises(DiagnosticError, match=text):
        simulate_queue(arrival, service, servers)


def test_nothing_arrives() -> None:
    assert len(simulate_queue([], [], 3)) == 0
