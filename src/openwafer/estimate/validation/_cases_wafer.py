"""What is published of wafers: speeds a user, wafers a model, scaling of training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from openwafer.estimate._known import canonical
from openwafer.estimate.validation._case import Case, Row, Rule, system_of, titled, value_of
from openwafer.machine.systems import Format

_SPECULATION_SINCE = "2024-10"
"""The vendor's service has used speculative decoding since (A034); how much is not told model by model."""
_SQUARES = {"llama-3-8b": 360.0, "qwen2-72b": 640.0}
"""WaferLLM's square of PEs a layer, from the names and contents of its public configurations."""


def _on_wafers(row: Row) -> bool:
    name = row["system"].lower()
    return row["metric"] == "output speed per user" and ("cs-" in name or "cerebras" in name)


def _waferllm(row: Row) -> Iterator[Case]:
    """One layer after another, each on a square of the same size; the time of a subset times the layers."""
    model, value = canonical(row["model"]), value_of(row)
    if model in _SQUARES and value:
        yield replace(_speed(row, model, value), extra={"side": _SQUARES[model]}, fit=False)


def _published(row: Row) -> Iterator[Case]:
    model, value = canonical(row["model"]), value_of(row)
    if model and value:
        yield _speed(row, model, value)


def _wafers(row: Row) -> Iterator[Case]:
    """As few as hold the weights and one sequence."""
    model, value = canonical(row["model"]), value_of(row)
    if model and value:
        yield replace(_speed(row, model, value), group="wafers needed", unit="wafers", fit=False)


def _scaling(row: Row) -> Iterator[Case]:
    """Of training with data parallelism, a step as large a system."""
    found, value = system_of(row["system"]), value_of(row)
    if found and value:
        yield Case(
            id=row["id"], group="scaling of training on wafers", system=found[0], chips=found[1],
            model="llama-3.1-405b", value=value, unit="×", kind=row["kind"], fit=False,
            extra={"sequence": 8192.0, "batch_tokens": 64e6},
        )  # fmt: skip


def _speed(row: Row, model: str, value: float) -> Case:
    found = system_of(row["system"]) or ("cs3", 1)
    plain = row["date"][:7] < _SPECULATION_SINCE or row["source_title"].startswith("WaferLLM")
    form: Format = "w4a16" if "gpt-oss" in model else "f16"
    return Case(
        id=row["id"], group="wafer speed a user" if plain else "wafer speed, speculation untold",
        system=found[0], chips=found[1], model=model, value=value, unit="tok/s", form=form, tokens_in=1024,
        tokens_out=1024, users=1, kind=row["kind"], fit=plain and "Introducing" in row["source_title"],
    )  # fmt: skip


READERS: tuple[Rule, ...] = (
    (titled("WaferLLM", "decode speed"), _waferllm),
    (_on_wafers, _published),
    (lambda row: row["metric"].startswith("wafers per model"), _wafers),
    (lambda row: row["metric"].startswith("scaling 1->16"), _scaling),
)
