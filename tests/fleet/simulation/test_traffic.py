"""Lengths, arrivals, sessions and traces: their moments, and what they keep."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from openwafer.diag import DiagnosticError
from openwafer.fleet.simulation import (
    Arrivals,
    Sessions,
    length_tables,
    load_trace,
    nearest_lengths,
    traffic_statistics,
)

NAMES = tuple(traffic_statistics()["lengths"])


@pytest.mark.parametrize(("name", "what"), list(itertools.product(NAMES, ("prompt", "output"))))
def test_lengths_have_the_quantiles_of_the_trace(name: str, what: str) -> None:
    entry = traffic_statistics()["lengths"][name]
    table = length_tables(name)[what == "output"]
    drawn = table.draw(200_000, np.random.default_rng(1))
    found = np.quantile(drawn, traffic_statistics()["quantiles"]) / table.factor
    assert found == pytest.approx(entry[what], rel=0.06, abs=1.0)
    assert drawn.mean() == pytest.approx(table.mean, rel=0.02)


@pytest.mark.parametrize("name", NAMES[:2])
def test_the_quantiles_alone_nearly_give_the_mean(name: str) -> None:
    """The published mean stretches the table by little: the interpolation is sound."""
    assert [table.factor for table in length_tables(name)] == pytest.approx([1.0, 1.0], abs=0.2)


def test_the_nearest_trace() -> None:
    assert nearest_lengths(1155, 211) == "azure2023-conversation"
    assert nearest_lengths(2048, 28) == "azure2023-code"
    with pytest.raises(DiagnosticError, match="no lengths of `azure`"):
        length_tables("azure")


@pytest.mark.parametrize("family", ["gamma", "weibull"])
def test_gaps_follow_their_family(family: str) -> None:
    cv = 1.5
    arrivals = Arrivals(rate=10.0, gap_cv=cv, family=family)  # type: ignore[arg-type]
    gaps = np.diff(arrivals.draw(np.zeros(10, np.int64), 3600.0, np.random.default_rng(1)))
    assert gaps.mean() == pytest.approx(0.1, rel=0.02)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.03)
    law = stats.gamma(1 / cv**2, scale=0.1 * cv**2) if family == "gamma" else None
    if law is None:
        shape = stats.weibull_min.fit(gaps[:20_000], floc=0)[0]
        law = stats.weibull_min(shape, scale=gaps.mean() / stats.weibull_min(shape).mean())
        assert law.std() / law.mean() == pytest.approx(cv, rel=0.05)
    assert stats.kstest(gaps, law.cdf).statistic < 0.01


def test_rates_follow_the_hours() -> None:
    factors = tuple(traffic_statistics()["hours"]["factors"])
    times = Arrivals(rate=20.0, by_hour=factors, clients=162).draw(
        np.arange(24), 3600.0, np.random.default_rng(2)
    )
    found = np.bincount((times / 3600).astype(int), minlength=24) / 20 / 3600
    assert found == pytest.approx(np.array(factors) / np.mean(factors), rel=0.05)
    assert (np.diff(times) >= 0).all()


def test_bursts_of_ten_minutes() -> None:
    rng = np.random.default_rng(3)
    times = Arrivals(rate=5.0, burst=1.75).draw(np.zeros(200, np.int64), 3600.0, rng)
    counts = np.bincount((times / 600).astype(int), minlength=1200).reshape(200, 6)
    assert (counts.max(axis=1) / counts.mean(axis=1)).mean() == pytest.approx(1.75, rel=0.03)


def test_clients_have_the_published_share() -> None:
    from openwafer.fleet.simulation import client_shares

    shares = client_shares(162, 0.63)
    assert shares.sum() == pytest.approx(1) and shares[:10].sum() == pytest.approx(0.63, abs=1e-6)


def test_sessions_repeat_what_was_said() -> None:
    first, output = length_tables("azure2023-conversation")
    sessions = Sessions(turns=5, think_s=10.0, first=first, added=first.with_mean(100), output=output,
                        longest=16_000)  # fmt: skip
    found = sessions.draw(np.arange(2000.0), 0, np.random.default_rng(4))
    assert found.session is not None and found.cached is not None and found.then is not None
    begins = ~np.isnan(found.arrival_s)
    later = np.flatnonzero(~begins)
    assert (found.cached[later] == found.prompt[later - 1] + found.output[later - 1]).all()
    assert (found.cached[begins] == 0).all() and (found.session[later] == found.session[later - 1]).all()
    assert (found.then[later - 1] == later).all() and (found.prompt <= 16_000).all()
    assert 3.5 < len(found) / 2000 <= 5.1


AZURE = (
    "TIMESTAMP,ContextTokens,GeneratedTokens\n"
    "2023-11-16 18:17:03.9799600,4808,10\n"
    "2023-11-16 18:17:04.0319600,3180,8\n"
)
MOONCAKE = (
    '{"timestamp": 0, "input_length": 1600, "output_length": 5, "hash_ids": [1, 2, 3, 4]}\n'
    '{"timestamp": 3000, "input_length": 1700, "output_length": 6, "hash_ids": [1, 2, 9, 10]}\n'
    '{"timestamp": 3500, "input_length": 600, "output_length": 7, "hash_ids": [20, 21]}\n'
)


def test_traces_of_azure_and_mooncake(tmp_path: Path) -> None:
    azure, mooncake = tmp_path / "azure.csv", tmp_path / "mooncake.jsonl"
    azure.write_text(AZURE, "utf-8")
    mooncake.write_text(MOONCAKE, "utf-8")
    first = load_trace(str(azure), ("chat",))
    assert first.arrival_s == pytest.approx([0, 0.052]) and first.prompt.tolist() == [4808, 3180]
    second = load_trace(str(mooncake), ("chat",))
    assert second.arrival_s.tolist() == [0.0, 3.0, 3.5] and second.output.tolist() == [5, 6, 7]
    assert second.cached is not None and second.cached.tolist() == [0, 1024, 0]
    assert second.session is not None and second.session[0] == second.session[1] != second.session[2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,prompt\n1,2\n", ":1: no column for output"),
        ("time,prompt,output\n1,2,3\nx,2,3\n", ":3: not a time"),
        ("time,prompt,output\n1,-2,3\n", ":2: not a time"),
        ("time,prompt,output,class\n1,2,3,chat\n2,2,3,cat\n", ":3: no class `cat`"),
        ("time,prompt,output\n", "has no requests"),
        ('{"time": 1}\n', ":1: not a time"),
        ('{"time": 1, "prompt": 1e300, "output": 1}\n', ":1: not a time"),
        ('{"time": 1, "prompt": Infinity, "output": 1}\n', ":1: not a time"),
        ('{"a": ' + "[" * 100_000 + "\n", ":1: "),
        ('time,prompt,output\n1,2,"' + "x" * 200_000 + '"\n', ":2: field larger"),
        ('{"time": 1, }\n', ":1: "),
    ],
)
def test_bad_traces_are_told_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "trace"
    path.write_text(text, "utf-8")
    with pytest.raises(DiagnosticError, match=message):
        load_trace(str(path), ("chat",))
