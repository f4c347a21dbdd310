"""Traces: three formats, the same result offline and paced, and errors with their line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from openwafer.diag import DiagnosticError
from openwafer.serve import (
    EstimatedSpec,
    Trace,
    WaferSpec,
    load_policy,
    read_trace,
    run_trace,
    summary,
    write_results,
)

SPECS = [
    EstimatedSpec("wafers", "llama-3.1-8b", "cs3", slots=4, grams_per_kwh=300.0),
    EstimatedSpec("gpus", "llama-3.1-8b", "h100", slots=4),
]


def trace_of(count: int, gap_s: float = 0.01) -> Trace:
    random = np.random.default_rng(5)
    return Trace(
        np.cumsum(random.exponential(gap_s, count)), random.integers(1, 3000, count),
        random.integers(1, 300, count),
        tiers=[("ultrafast", "default", "flex")[i] for i in random.integers(0, 3, count)],  # type: ignore[misc]
        keys=[str(i) for i in random.integers(0, 4, count)],
        sessions=[str(i) for i in random.integers(0, 9, count)],
        blocks=[tuple(range(i * 100, i * 100 + 8)) for i in random.integers(0, 9, count)],
    )  # fmt: skip


def test_offline_and_paced_are_the_same() -> None:
    trace, policy = trace_of(120), load_policy()
    offline = run_trace(trace, SPECS, policy)
    paced = run_trace(trace, SPECS, policy, factor=0.05)
    assert np.array_equal(offline.order, paced.order)
    for name, values in offline.columns.items():
        assert np.array_equal(values, paced.columns[name], equal_nan=True), name
    for name in ("backend", "tier", "finish", "generated", "cached"):
        assert np.array_equal(getattr(offline, name), getattr(paced, name)), name
    assert offline.pools == paced.pools and offline.reasons == paced.reasons
    assert len(set(offline.backend.tolist())) >= 2 and (offline.cached > 0).any()


def test_requests_are_neither_lost_nor_counted_twice() -> None:
    trace = trace_of(400, 0.002)
    found = run_trace(trace, SPECS, load_policy())
    assert sorted(found.order.tolist()) == list(range(400))
    told = summary(found)
    assert sum(told["ends"].values()) == told["requests"] == 400
    assert sum(level["requests"] for level in told["tiers"].values()) == 400
    served = ~np.isnan(found.columns["first_s"])
    assert np.array_equal(found.generated[served], trace.completion_tokens[served])
    known = np.nansum(found.columns["joules"]) + sum(pool.idle_joules for pool in found.pools)
    assert known == pytest.approx(told["joules"], rel=1e-9)


def test_results_are_a_table(tmp_path: Path) -> None:
    found = run_trace(trace_of(20), SPECS, load_policy())
    write_results(found, tmp_path / "results.csv")
    lines = (tmp_path / "results.csv").read_text("utf-8").splitlines()
    assert len(lines) == 21 and lines[0].startswith("request,tier,backend")
    with pytest.raises(DiagnosticError, match="results-cannot-write"):
        write_results(found, tmp_path / "none" / "results.csv")


AZURE = (
    "TIMESTAMP,ContextTokens,GeneratedTokens\n"
    "2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,396,109\n"
)
MOONCAKE = (
    '{"timestamp": 500, "input_length": 1100, "output_length": 5, "hash_ids": [0, 1, 2]}\n'
    '{"timestamp": 0, "input_length": 600, "output_length": 0, "hash_ids": [0, 1]}\n'
)
OWN = "arrived_s,prompt_tokens,completion_tokens,tier,key\n1.5,10,20,flex,a\n1.0,30,40,default,b\n"


def test_formats(tmp_path: Path) -> None:
    def read(name: str, text: str) -> Trace:
        (tmp_path / name).write_text(text, "utf-8")
        return read_trace(tmp_path / name)

    azure = read("azure.csv", AZURE)
    assert azure.arrived_s.tolist() == pytest.approx([0, 4.314579]) and azure.completion_tokens[1] == 109
    mooncake = read("mooncake.jsonl", MOONCAKE)
    assert mooncake.arrived_s.tolist() == [0, 0.5] and mooncake.blocks == [(0, 1), (0, 1, 2)]
    assert mooncake.block_tokens == 512 and mooncake.completion_tokens.tolist() == [1, 5]
    own = read("own.csv", OWN)
    assert (
        own.tiers == ["default", "flex"] and own.keys == ["b", "a"] and own.prompt_tokens.tolist() == [30, 10]
    )
    lines = [{"arrived_s": 1, "prompt_tokens": 5, "completion_tokens": 6, "blocks": [7, 8], "session": "s"}]
    found = read("own.jsonl", "\n".join(map(json.dumps, lines)))
    assert found.blocks == [(7, 8)] and found.sessions == ["s"] and found.block_tokens == 128


@pytest.mark.parametrize(
    "text, words",
    [("", "empty"), ("a,b\n1,2\n", ":2: there is no 'arrived_s'"), (OWN + "x,1,1,,\n", ":4: could not"),
     (OWN + "1,-1,1,,\n", ":4: -1 tokens"), (OWN + "nan,1,1,,\n", ":4: a request does not come at nan"),
     (OWN + "1,1,1,gold,\n", "no tier `gold`"), ('{"a": 1}\n[', ":1: there is no 'arrived_s'"),
     ('{"arrived_s": 0, "prompt_tokens": 1, "completion_tokens": 1}\n{', ":2: not valid JSON"),
     ("arrived_s,prompt_tokens,completion_tokens\n", "no requests")],
)  # fmt: skip
def test_traces_that_are_wrong(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "trace"
    path.write_text(text, "utf-8")
    with pytest.raises(DiagnosticError) as failure:
        read_trace(path)
    assert (
        failure.value.diagnostics[0].id == "trace-invalid" and words in failure.value.diagnostics[0].message
    )


def test_a_trace_has_no_texts() -> None:
    with pytest.raises(DiagnosticError, match="trace-needs-estimated"):
        run_trace(trace_of(1), [WaferSpec("w")], load_policy())
