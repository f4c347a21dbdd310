"""Published training: MLPerf (steps, or minutes to converge), the vendor's performance pages, utilisation."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from openwafer.estimate._known import canonical
from openwafer.estimate._train import token_train_flop
from openwafer.estimate.validation._case import Case, Row, Rule, numbers, system_of, titled, value_of
from openwafer.machine.systems import Format, load_system

_BENCHMARKS = {
    "llama31_405b": ("llama-3.1-405b", 1.0),
    "llama31_8b": ("llama-3.1-8b", 1.0),
    "llama2_70b_lora": ("llama-2-70b", 2 / 3),
}
"""MLPerf's benchmark → model, and the part of the operations that it does: LoRA needs no gradients of the
weights."""
_SEQUENCE = 8192.0
_LORA_SAMPLES = 4104.0
"""Sequences to converge: C084's minutes over its seconds a step."""


def _mlperf(row: Row) -> Iterator[Case]:
    """Tokens a second and chip; where no step is told, from the minutes and the sequences that others
    needed."""
    found, params, minutes = system_of(row["system"]), row["params"], value_of(row)
    named, batch = _BENCHMARKS.get(row["model"]), numbers(r"GBS (\d+)", params)
    if not (found and named and batch and minutes):
        return
    step = numbers(r"median step ([\d.]+) s", params)
    samples = _samples(row["model"], batch[0])
    if step is None and samples is None:
        return
    seconds = step[0] if step else minutes * 60 * batch[0] / (samples or 1)
    yield _case(row, found, named[0], batch[0] * _SEQUENCE / seconds / found[1], _format(row, found[0]),
                extra={"batch": batch[0], "flop_part": named[1]})  # fmt: skip


def _samples(benchmark: str, batch: float) -> float | None:
    """Sequences to converge; the 8B's between those of C074 (batch 64) and C076 (batch 16)."""
    if benchmark == "llama2_70b_lora":
        return _LORA_SAMPLES
    if benchmark == "llama31_8b":
        return 186_600 + (math.log2(batch) - 4) / 2 * (242_000 - 186_600)
    return None


def _format(row: Row, system: str) -> Format:
    """v5.1 is the first round with FP4 training, NVIDIA's own runs on Blackwell; the others use FP8."""
    new = "v5.1" in row["source_title"] and row["system"].endswith("(NVIDIA)")
    return "fp4" if new and load_system(system).peak_flop_per_s("fp4") else "fp8"


def _mlperf_energy(row: Row) -> Iterator[Case]:
    """Of a whole run, at the wall of one server, the start included."""
    found, value = system_of(row["system"]), value_of(row)
    if found and value and row["model"] == "llama2_70b_lora":
        base = _case(
            row, found, "llama-2-70b", value, _format(row, found[0]), {"batch": 8.0, "flop_part": 2 / 3}
        )
        yield replace(
            base, group="training energy, wall", unit="MJ", fit=False, tokens_in=_LORA_SAMPLES * _SEQUENCE
        )


def _nemo(row: Row) -> Iterator[Case]:
    found, value = system_of(row["system"]), value_of(row)
    model = canonical(row["model"]) or _NEMO.get(row["model"])
    if found and model and value:
        form: Format = "fp8" if "FP8" in row["params"] else "f16"
        sequence = _NEMO_SEQUENCES.get(model, _SEQUENCE)
        yield _case(row, found, model, value, form, {"sequence": sequence})


_NEMO = {
    "GPT3-175B": "gpt-3-175b",
    "Nemotron-340B": "nemotron-4-340b",
    "LLAMA2-13B": "llama-2-13b",
    "LLAMA2-7B": "llama-2-7b",
    "LLAMA2-70B": "llama-2-70b",
    "LLAMA3-8B": "llama-3-8b",
    "LLAMA3-70B": "llama-3-70b",
    "LLAMA3.1-405B": "llama-3.1-405b",
    "Mixtral-8x7B": "mixtral-8x7b",
}
_NEMO_SEQUENCES = {
    "gpt-3-175b": 2048.0,
    "nemotron-4-340b": 4096.0,
    "llama-2-7b": 4096.0,
    "llama-2-13b": 4096.0,
    "llama-2-70b": 4096.0,
    "mixtral-8x7b": 4096.0,
}
"""As those pages state them."""


def _llama3(row: Row) -> Iterator[Case]:
    """400 TFLOP/s a chip over the operations of a token."""
    found, model = system_of(row["system"]), canonical(row["model"])
    rate = numbers(r"([\d.]+) TFLOP/s/GPU", row["params"])
    if found and model and rate:
        tokens = rate[0] * 1e12 / token_train_flop(model, _SEQUENCE)
        yield _case(row, found, model, tokens, "f16", {"batch": 2048.0})


def _case(
    row: Row, found: tuple[str, int], model: str, value: float, form: Format, extra: dict[str, float]
) -> Case:
    lora = "lora" in row["model"]
    return Case(
        id=row["id"], group="fine-tuning throughput" if lora else "training throughput", system=found[0],
        chips=found[1], model=model, value=value, unit="tok/s/chip", form=form,
        extra={"sequence": _SEQUENCE} | extra, kind=row["kind"], fit=True,
    )  # fmt: skip


READERS: tuple[Rule, ...] = (
    (titled("MLPerf Training", "time to train"), _mlperf),
    (titled("MLPerf Training", "wall energy"), _mlperf_energy),
    (titled("NeMo", "training throughput"), _nemo),
    (titled("The Llama 3 Herd", "MFU"), _llama3),
)
