"""From a row of published numbers to a case that can be predicted, or to the reason why it cannot.

The traps are handled here: totals that count input tokens, formats, who measured what, IT against facility power.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import TypeAlias

from openwafer.diag import error
from openwafer.estimate._known import canonical
from openwafer.machine.systems import Format


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One published number with what is needed to predict it. `group` is what it is an example of."""

    id: str
    group: str
    system: str
    model: str
    value: float
    unit: str
    chips: int = 1
    form: Format = "f16"
    kv_form: Format | None = None
    engine: str = "trtllm"
    tokens_in: float = 0.0
    tokens_out: float = 0.0
    users: float = 0.0
    scenario: str = ""
    kind: str = "measured"
    fit: bool = True
    extra: dict[str, float] = field(default_factory=dict[str, float])


Row: TypeAlias = dict[str, str]
Reader: TypeAlias = Callable[[Row], Iterator[Case]]
READERS: list[tuple[str, Reader]] = []

_SYSTEMS = (
    ("mi355x", "mi355x"), ("mi325x", "mi325x"), ("mi300x", "mi300x"), ("gb300", "gb300-nvl72"), ("gb200", "gb200-nvl72"),
    ("b300", "b300"), ("b200", "b200"), ("h200", "h200"), ("h100", "h100"), ("a100", "a100"),
    ("cs-4", "cs4"), ("cs-3", "cs3"), ("cs-2", "cs2"), ("wse-2", "cs2"), ("wse-3", "cs3"),
)  # fmt: skip
_DATASETS = {
    "llama2-70b": ("llama-2-70b", 294.0),
    "llama3.1-405b": ("llama-3.1-405b", 9428.0),
    "llama3.1-8b": ("llama-3.1-8b", 778.0),
    "deepseek-r1": ("deepseek-r1", 800.0),
    "mixtral-8x7b": ("mixtral-8x7b", 380.0),
}
"""MLPerf's benchmark → model and mean input tokens (MLCommons' descriptions of the benchmarks); outputs are in the rows."""
_CHATS = {"lm-arena-chat": (250.0, 650.0), "gpqa": (300.0, 3000.0)}
"""ML.ENERGY's workload → mean tokens in and out: assumed, not in the rows."""


def reader(source: str) -> Callable[[Reader], Reader]:
    """Registers how to read the rows whose source title starts with `source`."""

    def add(function: Reader) -> Reader:
        READERS.append((source, function))
        return function

    return add


def load_rows(path: str | None = None) -> list[Row]:
    """The published rows that come with OpenWafer, or those of a file with the same columns.

    Diagnostics: rows-unreadable, rows-wrong-columns.
    """
    if path is None:
        text = resources.files("openwafer.estimate").joinpath("data/published.csv").read_text("utf-8")
    else:
        try:
            text = Path(path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as reason:
            raise error("rows-unreadable", f"cannot read `{path}`: {reason}") from None
    table = csv.DictReader(io.StringIO(text))
    missing = {"id", "system", "model", "metric", "value", "params", "source_title"} - set(table.fieldnames or ())
    if missing:
        names = ", ".join(f"`{name}`" for name in sorted(missing))
        raise error("rows-wrong-columns", f"`{path}` has no column {names}")
    return [{k: v or "" for k, v in row.items() if k} for row in table]


def cases(rows: list[Row]) -> tuple[list[Case], list[tuple[str, str]]]:
    """The cases of the rows, and the ids of rows that cannot be used, each with the reason."""
    found: list[Case] = []
    unused: list[tuple[str, str]] = []
    for row in rows:
        read = next((r for title, r in READERS if row["source_title"].startswith(title)), None)
        made = list(read(row)) if read else []
        found += made
        if not made:
            unused.append((row["id"], "no number that the model predicts" if read else "not a performance measurement"))
    return found, unused


def numbers(pattern: str, text: str) -> tuple[float, ...] | None:
    match = re.search(pattern, text)
    return tuple(float(g) for g in match.groups()) if match else None


def system_of(text: str) -> tuple[str, int] | None:
    """The system and the number of chips (wafers) of a description like `NVIDIA B200-SXM-180GB x8 (Lenovo)`."""
    low = text.lower()
    name = next((name for key, name in _SYSTEMS if key in low), None)
    count = re.search(r"(?:\bx|tp)(\d+)|\((\d+) wafer|\b(\d+)x(?:b200|h100|h200)", low)
    if name is None:
        return None
    return name, int(next(g for g in count.groups() if g)) if count else 1


def format_of(text: str) -> Format:
    low = text.lower()
    if "mxfp4" in low:
        return "w4a16"
    return "fp4" if "fp4" in low else "fp8" if "fp8" in low else "f16"


def value_of(row: Row) -> float | None:
    """A number, or the middle of a range."""
    try:
        parts = [float(part) for part in row["value"].replace("+", "").split("-") if part]
    except ValueError:
        return None
    return sum(parts) / len(parts) if parts else None


@reader("MLPerf Inference v5.1 Power")
def _mlperf_power(row: Row) -> Iterator[Case]:
    found, value = system_of(row["system"]), value_of(row)
    data = _dataset(row["model"])
    speed = numbers(r"([\d.]+) tok/s @ ([\d.]+) W", row["params"])
    if found and data and speed and value:
        out = {"llama-2-70b": 290.0, "llama-3.1-405b": 653.0, "llama-3.1-8b": 128.0}.get(data[0], 300.0)
        yield Case(
            id=row["id"], group="energy, wall", system=found[0], chips=found[1], model=data[0], value=value,
            unit="J/token", form=format_of(row["params"]), tokens_in=data[1], tokens_out=out, scenario="Server",
            extra={"watts": speed[1], "tokens_per_s": speed[0]},
        )  # fmt: skip


def _dataset(name: str) -> tuple[str, float] | None:
    return next((data for key, data in _DATASETS.items() if name.lower().startswith(key)), None)


@reader("MLPerf Inference")
def _mlperf(row: Row) -> Iterator[Case]:
    """Offline rows give throughput; the others the time between tokens and to the first at their concurrency."""
    found, data, value = system_of(row["system"]), _dataset(row["model"]), value_of(row)
    params = row["params"]
    out, scenario = numbers(r"mean OSL ([\d.]+)", params), re.search(r"; (Offline|Server|Interactive);", params)
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


@reader("NVIDIA AIConfigurator")
def _aiconfigurator(row: Row) -> Iterator[Case]:
    found, model, value = system_of(row["system"]), canonical(row["model"]), value_of(row)
    lengths, users = numbers(r"ISL/OSL (\d+)/(\d+)", row["params"]), numbers(r"concurrency (\d+)", row["params"])
    first = numbers(r"TTFT ([\d.]+)", row["params"])
    if not (found and model and value and lengths and users and row["metric"] == "TPOT"):
        return
    base = Case(
        id=row["id"], group="time per token", system=found[0], chips=found[1], model=model, value=value, unit="ms",
        form=format_of(row["params"]), tokens_in=lengths[0], tokens_out=lengths[1], users=users[0],
        scenario="one replica", engine="vllm" if "vllm" in row["params"] else "trtllm",
    )  # fmt: skip
    yield base
    if first:
        yield replace(base, group="time to first token", value=first[0])


@reader("SemiAnalysis InferenceX")
def _inferencex(row: Row) -> Iterator[Case]:
    """Totals count input and output: only the output part is compared. The number of chips follows from concurrency."""
    found, model, value = system_of(row["system"]), canonical(row["model"]), value_of(row)
    speed, lengths = numbers(r"at ([\d.]+) tok/s/user", row["params"]), numbers(r"(\d+)k/(\d+)k", row["params"])
    users = numbers(r"concurrency ~(\d+)", row["params"])
    if not (found and model and value and speed and lengths and users):
        return
    tokens_in, tokens_out = lengths[0] * 1024, lengths[1] * 1024
    output = value * tokens_out / (tokens_in + tokens_out)
    chips = users[0] * speed[0] / output
    low = format_of(row["params"])
    amd_fp4 = low == "fp4" and found[0] in ("mi300x", "mi325x")
    plain = not re.search("MTP|disagg", row["params"])
    yield Case(
        id=row["id"], group="time per token, InferenceX", system=found[0], chips=_power_of_two(chips), model=model,
        value=1000 / speed[0], unit="ms", form="w4a16" if amd_fp4 else low, tokens_in=tokens_in,
        tokens_out=tokens_out, users=users[0], scenario="one replica" if plain and chips < 12 else "many",
        engine="vllm" if found[0].startswith("mi") else "trtllm", fit=chips < 12,
    )  # fmt: skip


def _power_of_two(chips: float) -> int:
    """The nearest power of two that is not more than a little above the ratio."""
    size = 1
    while size * 1.45 < chips:
        size *= 2
    return size


@reader("ML.ENERGY")
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
        unit="J/token", form=format_of(params), kv_form="f16", engine="vllm", tokens_in=chat[0], tokens_out=chat[1],
        users=slots[0], scenario="one replica", extra={"watts": watts[0], "tokens_per_s": speed[0]},
    )  # fmt: skip
    yield base
    yield replace(base, group="time per token", value=gap[0], unit="ms", users=speed[0] * gap[0] / 1000)
