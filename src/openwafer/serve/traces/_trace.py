"""Traces of requests: when they came, and how long prompts and answers were."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openwafer.diag import error
from openwafer.files import MIB, read_text
from openwafer.serve.core._job import BLOCK_TOKENS, TIERS, Tier

ID = "trace-invalid"
MOST_BYTES = 2048 * MIB
_MOST_TOKENS = 10**8
_MOST_S = 1e10


@dataclass(frozen=True, slots=True)
class Trace:
    """Requests by the time at which they come, in seconds after the first. `tiers`, `keys`, `sessions` and
    `blocks` (names of the prompts' prefixes) are None where the trace has none."""

    arrived_s: NDArray[np.float64]
    prompt_tokens: NDArray[np.int64]
    completion_tokens: NDArray[np.int64]
    tiers: list[Tier] | None = None
    keys: list[str] | None = None
    sessions: list[str | None] | None = None
    blocks: list[tuple[int, ...]] | None = None
    block_tokens: int = BLOCK_TOKENS

    def __len__(self) -> int:
        return len(self.arrived_s)


@dataclass(slots=True)
class _Row:
    at: float
    prompt: int
    completion: int
    tier: str | None = None
    key: str | None = None
    session: str | None = None
    blocks: tuple[int, ...] = ()


def read_trace(path: str | Path) -> Trace:
    """CSV with a header, or JSON lines. Columns are `arrived_s`, `prompt_tokens`, `completion_tokens` and, if
    there are any, `tier`, `key`, `session` and (JSON) `blocks`; those of the Azure (`TIMESTAMP`,
    `ContextTokens`, `GeneratedTokens`) and the Mooncake traces (`timestamp` in ms, `input_length`,
    `output_length`, `hash_ids` of 512 tokens) are known too.

    Diagnostics: trace-invalid, with the line."""
    text = read_text(Path(path), "trace", ID, MOST_BYTES)
    begin = text.lstrip()
    if not begin:
        raise error(ID, f"{path} is empty")
    is_json = begin.startswith("{")
    rows = list(_json_rows(text, str(path)) if is_json else _csv_rows(text, str(path)))
    if not rows:
        raise error(ID, f"{path} has no requests")
    rows.sort(key=lambda row: row.at)
    first = rows[0].at
    return Trace(
        np.array([row.at - first for row in rows]),
        np.array([row.prompt for row in rows], np.int64),
        np.array([row.completion for row in rows], np.int64),
        tiers=[_tier(row.tier) for row in rows] if any(row.tier for row in rows) else None,
        keys=[row.key or "" for row in rows] if any(row.key for row in rows) else None,
        sessions=[row.session for row in rows] if any(row.session for row in rows) else None,
        blocks=[row.blocks for row in rows] if any(row.blocks for row in rows) else None,
        block_tokens=512 if is_json and '"hash_ids"' in text[:100_000] else BLOCK_TOKENS,
    )  # fmt: skip


def _tier(name: str | None) -> Tier:
    known: dict[str | None, Tier] = {tier: tier for tier in TIERS}
    return known.get(name, "default")


def _json_rows(text: str, path: str) -> Iterator[_Row]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            found: Any = json.loads(line)
        except (ValueError, RecursionError) as reason:
            raise error(ID, f"{path}:{number}: not valid JSON: {reason}") from None
        if not isinstance(found, dict):
            raise error(ID, f"{path}:{number}: a line is a JSON object")
        yield _row(found, path, number)  # pyright: ignore[reportUnknownArgumentType]


def _csv_rows(text: str, path: str) -> Iterator[_Row]:
    reader = csv.DictReader(text.splitlines())
    try:
        for row in reader:
            yield _row(dict(row), path, reader.line_num)
    except csv.Error as reason:
        raise error(ID, f"{path}:{reader.line_num}: {reason}") from None


def _row(found: dict[str, Any], path: str, line: int) -> _Row:
    """Diagnostics: trace-invalid."""
    try:
        if "TIMESTAMP" in found:
            at = _utc_s(found["TIMESTAMP"])
            row = _Row(at, int(found["ContextTokens"]), int(found["GeneratedTokens"]))
        elif "input_length" in found:
            blocks = tuple(int(block) for block in found.get("hash_ids") or ())
            at = float(found["timestamp"]) / 1000
            row = _Row(at, int(found["input_length"]), int(found["output_length"]), blocks=blocks)
        else:
            row = _own(found)
    except KeyError as reason:
        raise error(ID, f"{path}:{line}: there is no {reason}", help=_HELP) from None
    except (TypeError, ValueError, OverflowError) as reason:
        raise error(ID, f"{path}:{line}: {reason}", help=_HELP) from None
    if not (math.isfinite(row.at) and 0 <= row.at <= _MOST_S):
        raise error(ID, f"{path}:{line}: a request does not come at {row.at} s")
    if not (1 <= row.prompt <= _MOST_TOKENS and 0 <= row.completion <= _MOST_TOKENS):
        raise error(ID, f"{path}:{line}: {row.prompt} tokens of a prompt, {row.completion} of an answer")
    if row.tier is not None and row.tier not in TIERS:
        raise error(ID, f"{path}:{line}: there is no tier `{row.tier}`", help=f"one of {', '.join(TIERS)}")
    row.completion = max(row.completion, 1)
    return row


_HELP = "`arrived_s`, `prompt_tokens` and `completion_tokens`, or the columns of the Azure or Mooncake traces"


def _utc_s(text: str) -> float:
    """Seconds of a date and time, of UTC where it has no zone; digits beyond microseconds are dropped."""
    found = datetime.fromisoformat(text[:26])
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _own(found: dict[str, Any]) -> _Row:
    blocks = found.get("blocks") or ()
    if isinstance(blocks, str):
        blocks = [int(block) for block in blocks.split()]
    return _Row(
        float(found["arrived_s"]), int(found["prompt_tokens"]), int(found["completion_tokens"]),
        found.get("tier") or None, found.get("key") or None, found.get("session") or None, tuple(blocks),
    )  # fmt: skip
