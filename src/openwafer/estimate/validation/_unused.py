"""Why a published row is not compared with a prediction."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from openwafer.estimate._known import canonical
from openwafer.machine import load_machine
from openwafer.machine.systems import SYSTEMS, WaferSystem, load_system

Row = dict[str, str]


@cache
def cited() -> frozenset[str]:
    """Rows that system files and the fitted constants rest on."""
    from openwafer.estimate._constants import document

    texts = [entry["on"] for table in document().values() for entry in table.values()]
    for name in SYSTEMS:
        system = load_system(name)
        facts = list(system.by_name.values())
        facts += (
            list(load_machine(system.machine.arch).by_name.values())
            if isinstance(system, WaferSystem)
            else []
        )
        texts += [fact.source for fact in facts]
    return frozenset(id for text in texts for id in re.findall(r"\b[A-E]\d{3}\b", text))


_RULES: tuple[tuple[Callable[[Row], bool], str], ...] = (
    (lambda row: row["id"] in cited(), "for a system file or a constant rests on it"),
    (lambda row: row["id"].startswith("E"), "for it is of contracts, sites or demand"),
    (lambda row: row["id"].startswith("D"), "for it is of prices, power, climate or energy a prompt"),
    (lambda row: row["system"].startswith("simulator") or row["metric"].startswith("calibrated"),
     "for it is of other predictors"),
    (lambda row: row["metric"].startswith("mean ITL"), "for its arrival rate is not told"),
    (lambda row: "MTP" in row["params"] or "MTP" in row["metric"], "for speculative decoding is not told"),
    (lambda row: row["model"] not in ("-", "") and canonical(row["model"]) is None and row["unit"] == "tok/s",
     "for the model's shape is not public"),
    (lambda row: row["unit"] in ("tok/s", "tok/s/GPU", "day", "days", "MJ"), "for conditions are not told"),
)  # fmt: skip


def reason(row: Row) -> str:
    """The first rule that holds; else the row is a fact of a machine or a claim without a measure."""
    return next((why for holds, why in _RULES if holds(row)), "for it is a fact or claim, not a measurement")
