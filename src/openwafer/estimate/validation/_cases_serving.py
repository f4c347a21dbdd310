"""Published measurements of serving on GPUs: MLPerf, AIConfigurator's samples, InferenceX, ML.ENERGY."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace

from openwafer.estimate._known import canonical
from openwafer.estimate.validation._case import (
    Case,
    Row,
    Rule,
    format_of,
    numbers,
    system_of,
    titled,
    value_of,
)

_DATASETS = {
    "llama2-70b": ("llama-2-70b", 294.0),
    "llama3.1-405b": ("llama-3.1-405b", 9428.0),
    "llama3.1-8b": ("llama-3.1-8b", 778.0),
    "deepseek-r1": ("deepseek-r1", 800.0),
    "mixtral-8x7b": ("mixtral-8x7b", 380.0),
}
"""MLPerf's benchmark → model and mean input tokens (MLCommons' descriptions of the benchmarks); outputs are
in the rows."""
_CHATS = {"lm-arena-chat": (150.0, 450.0), "gpqa": (250.0, 2400.0)}
"""ML.ENERGY's workload → mean tokens in and out, inferred: the rows do not tell them, but the caches of as
many sequences as were in flight must have fitted (C160: at most 394 tokens each, C170: 1,600)."""

_ONE_REPLICA = 10.0
"""Chips below which what InferenceX measured is taken for one replica of eight at most."""
_WITH_FIRST = 1.06
"""A request's time over that of its tokens: its user also waits for the first."""


def _mlperf_power(row: Row) -> Iterator[Case]:
    found, value = system_of(row["system"]), value_of(row)
    data = _dataset(row["model"])
    speed = numbers(r"([\d.]+) tok/s @ ([\d.]+) W", row["params"])
    if found and data and speed and value:
        out = {"llama-2-70b": 290.0, "llama-3.1-405b": 653.0, "llama-3.1-8b": 128.0}.get(data[0], 300.0)
        yield Case(
            id=row["id"], group="energy, wall", system=found[0], chips=found[1], model=data[0], value=value,
            unit="J/token", form=format_of(row["params"]), tokens_in=data[1], tokens_out=out,
            scenario="Server",
            extra={"watts": speed[1], "tokens_per_s": speed[0]},
        )  # fmt: skip


def _dataset(name: str) -> tuple[str, float] | None:
    return next((data for key, data in _DATASETS.items() if name.lower().startswith(key)), None)


def _mlperf(row: Row) -> Iterator[Case]:
    """Offline rows give throughput; the others the time between tokens and to the first at their
    concurrency."""
    found, data, value = system_of(row["system"]), _dataset(row["model"]), value_of(row)
    params = row["params"]
    out, scenario = (
        numbers(r"mean OSL ([\d.]+)", params),
        re.search(r"; (Offline|Server|Interactive);", params),
    )
    if not (found and data and value and out and scenario):
        return
    base = Case(
        id=row["id"], group="offline throughput", system=found[0], chips=found[1], model=data[0], value=value,
        unit="tok/s", form=format_of(params), tokens_in=data[1], tokens_out=out[0], scenario=scenario[1],
        engine="vllm" if "redhat" in row["system"].lower() or "AMD" in row["system"] else "trtllm",
    )  # fmt: skip
    if scenario[1] == "Offline":
        yield base
        return
    tpot, users = numbers(r"TPOT mean/p99 ([\d.]+)", params), numbers(r"concurrency ([\d.]+)", params)
    ttft = numbers(r"TTFT mean/p99 ([\d.]+)", params)
    if tpot and users:
        yield replace(base, group="time per token", value=tpot[0], unit="ms", users=users[0])
        if ttft:
            yield replace(base, group="time to first token", value=ttft[0], unit="ms", users=users[0])


def _aiconfigurator(row: Row) -> Iterator[Case]:
    found, model, value = system_of(row["system"]), canonical(row["model"]), value_of(row)
    lengths, users = (
        numbers(r"ISL/OSL (\d+)/(\d+)", row["params"]),
        numbers(r"concurrency (\d+)", row["params"]),
    )
    first = numbers(r"TTFT ([\d.]+)", row["params"])
    if not (found and model and value and lengths and users and row["metric"] == "TPOT"):
        return
    base = Case(
        id=row["id"], group="time per token", system=found[0], chips=found[1], model=model, value=value,
        unit="ms",
        form=format_of(row["params"]), tokens_in=lengths[0], tokens_out=lengths[1], users=users[0],
        scenario="one replica", engine="vllm" if "vllm" in row["params"] else "trtllm",
    )  # fmt: skip
    yield base
    if first:
        yield replace(base, group="time to first token", value=first[0])


def _inferencex(row: Row) -> Iterator[Case]:
    """Totals count input and output tokens: the output part of a chip is compared, at the same speed a user.

    Users, their speed and the rate of a chip tell on how many chips they were; up to eight they are one
    replica, whose time per token is then known too.
    """
    found, model, value = system_of(row["system"]), canonical(row["model"]), value_of(row)
    speed, lengths = (
        numbers(r"at ([\d.]+) tok/s/user", row["params"]),
        numbers(r"(\d+)k/(\d+)k", row["params"]),
    )
    if not (found and model and value and speed and lengths) or re.search("MTP", row["params"]):
        return
    tokens_in, tokens_out = lengths[0] * 1024, lengths[1] * 1024
    form = format_of(row["params"])
    if form == "fp4" and ("gpt-oss" in model or found[0] in ("mi300x", "mi325x")):
        form = "w4a16"
    case = Case(
        id=row["id"], group="throughput at a speed", system=found[0], model=model,
        value=value * tokens_out / (tokens_in + tokens_out), unit="tok/s/chip", form=form,
        tokens_in=tokens_in, tokens_out=tokens_out, scenario="disagg" if "disagg" in row["params"] else "",
        engine="vllm" if found[0].startswith("mi") else "trtllm", fit=False, extra={"speed": speed[0]},
    )  # fmt: skip
    yield case
    users = numbers(r"concurrency ~(\d+)", row["params"])
    chips = users[0] * speed[0] / case.value if users else 0.0
    if users and 1 <= chips < _ONE_REPLICA and "disagg" not in row["params"]:
        yield replace(
            case, group="time per token", value=1000 / speed[0], unit="ms", users=users[0], fit=True,
            chips=2 ** round(math.log2(chips / _WITH_FIRST)), scenario="one replica",
        )  # fmt: skip


def _ml_energy(row: Row) -> Iterator[Case]:
    """GPU power only: no host, no building."""
    found, model, value = system_of(row["system"]), canonical(row["model"]), value_of(row)
    params = row["params"]
    slots, speed = numbers(r"max_num_seqs (\d+)", params), numbers(r"([\d.]+) tok/s", params)
    gap, watts = numbers(r"ITL p50 ([\d.]+)", params), numbers(r"GPU power ([\d.]+)", params)
    chat = next((lengths for name, lengths in _CHATS.items() if name in params), None)
    if not (found and model and value and slots and speed and gap and watts and chat):
        return
    base = Case(
        id=row["id"], group="energy, GPU", system=found[0], chips=found[1], model=model, value=value,
        unit="J/token", form=format_of(params), kv_form="f16", engine="vllm", tokens_in=chat[0],
        tokens_out=chat[1], users=slots[0], scenario="one replica",
        extra={"watts": watts[0], "tokens_per_s": speed[0]},
    )  # fmt: skip
    yield base
    yield replace(base, group="time per token", value=gap[0], unit="ms", users=speed[0] * gap[0] / 1000)


READERS: tuple[Rule, ...] = (
    (titled("MLPerf Inference v5.1 Power"), _mlperf_power),
    (titled("MLPerf Inference"), _mlperf),
    (titled("NVIDIA AIConfigurator"), _aiconfigurator),
    (titled("SemiAnalysis InferenceX", "throughput"), _inferencex),
    (titled("ML.ENERGY"), _ml_energy),
)
