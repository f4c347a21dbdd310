"""Traces of requests: CSV and JSON lines with times and lengths, as public traces have them."""

from __future__ import annotations

import csv
import datetime
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from openwafer.diag import error
from openwafer.files import MIB, read_text
from openwafer.fleet.simulation._inputs import MOST_TOKENS, Requests

MOST_BYTES = 512 * MIB
BLOCK_TOKENS = 512
"""Of one hash of Mooncake's traces."""
_NAMES: dict[str, tuple[str, ...]] = {
    "arrival": ("arrival_s", "timestamp", "time", "arrival"),
    "prompt": ("prompt", "contexttokens", "input_length", "request tokens", "prompt_tokens"),
    "output": ("output", "generatedtokens", "output_length", "response tokens", "output_tokens"),
}
"""Columns, in lower case: ours, Azure's, Mooncake's, BurstGPT's."""


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    at_s: float
    prompt: int
    output: int
    kind: str
    hashes: tuple[int, ...]


def load_trace(path: str, groups: tuple[str, ...]) -> Requests:
    """Requests of a trace, in order, from second 0 on.

    A column `class` names the class, the first of `groups` where there is none. `timestamp` may be a date
    (Azure), seconds (BurstGPT) or, in JSON lines, milliseconds (Mooncake), whose `hash_ids` tell what of a
    prompt stood in earlier ones. Diagnostics: trace-unreadable, trace-bad-line, trace-empty.
    """
    text = read_text(path, "trace", "trace-unreadable", MOST_BYTES)
    read: Callable[[str, str], Iterator[_Row]] = _json_rows if text.lstrip().startswith("{") else _csv_rows
    rows = sorted(read(path, text), key=lambda row: row.at_s)
    if not rows:
        raise error("trace-empty", f"`{path}` has no requests")
    return _requests(path, rows, groups)


def split_by_group(requests: Requests, groups: tuple[str, ...]) -> dict[str, Requests]:
    """The requests of each class that has some, each from second 0 on and as of class 0."""
    found: dict[str, Requests] = {}
    for at, name in enumerate(groups):
        mine = requests.group == at
        if mine.any():
            arrival = requests.arrival_s[mine]
            columns = {n: getattr(requests, n)[mine] for n in ("prompt", "output", "cached", "session")}
            zero = np.zeros(len(arrival), np.int64)
            found[name] = Requests(arrival_s=arrival - arrival[0], group=zero, **columns)
    return found


def _requests(path: str, rows: list[_Row], groups: tuple[str, ...]) -> Requests:
    for row in rows:
        if row.kind and row.kind not in groups:
            help = f"one of {', '.join(groups)}"
            raise error("trace-bad-line", f"{path}:{row.line}: no class `{row.kind}`", help=help)
    cached, session = _reuse(rows)
    return Requests(
        arrival_s=np.array([row.at_s - rows[0].at_s for row in rows]),
        prompt=np.array([row.prompt for row in rows], dtype=np.int64),
        output=np.array([row.output for row in rows], dtype=np.int64),
        group=np.array([groups.index(row.kind) if row.kind else 0 for row in rows], dtype=np.int64),
        cached=np.array(cached, dtype=np.int64),
        session=np.array(session, dtype=np.int64),
    )


def _reuse(rows: list[_Row]) -> tuple[list[int], list[int]]:
    """Tokens that stood at the beginning of an earlier prompt, and a number for those that share them."""
    owner: dict[int, int] = {}
    cached, session = list[int](), list[int]()
    for number, row in enumerate(rows):
        seen = 0
        while seen < len(row.hashes) and row.hashes[seen] in owner:
            seen += 1
        mine = owner[row.hashes[seen - 1]] if seen else (number if row.hashes else -1)
        owner |= dict.fromkeys(row.hashes, mine)
        cached.append(min(seen * BLOCK_TOKENS, row.prompt))
        session.append(mine)
    return cached, session


def _csv_rows(path: str, text: str) -> Iterator[_Row]:
    reader = csv.DictReader(io.StringIO(text))
    names = {name.strip().lower(): name for name in reader.fieldnames or ()}
    wanted = {what: next((names[n] for n in known if n in names), None) for what, known in _NAMES.items()}
    missing = [what for what, name in wanted.items() if name is None]
    if missing:
        help = f"its columns are {', '.join(names)}"
        raise error("trace-bad-line", f"{path}:1: no column for {', '.join(missing)}", help=help)
    columns = cast(dict[str, str], wanted)
    for line, entry in _entries(path, reader):
        fields = {what: entry[name] for what, name in columns.items()}
        yield _row(path, line, fields | {"class": entry.get(names.get("class", ""), "") or ""}, 1.0)


def _entries(path: str, reader: csv.DictReader[str]) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        yield from enumerate(reader, 2)
    except csv.Error as why:
        raise error("trace-bad-line", f"{path}:{reader.line_num + 1}: {why}") from None


def _json_rows(path: str, text: str) -> Iterator[_Row]:
    for line, part in enumerate(text.splitlines(), 1):
        if not part.strip():
            continue
        try:
            entry = json.loads(part)
        except (ValueError, RecursionError) as why:
            raise error("trace-bad-line", f"{path}:{line}: {why}") from None
        if not isinstance(entry, dict):
            raise error("trace-bad-line", f"{path}:{line}: expected an object")
        given = {key.lower(): value for key, value in cast(dict[str, Any], entry).items()}
        fields = {what: next((given[n] for n in known if n in given), None) for what, known in _NAMES.items()}
        in_ms = "timestamp" in given and "hash_ids" in given
        extra = {"class": given.get("class", ""), "hashes": given.get("hash_ids", ())}
        yield _row(path, line, fields | extra, 1e-3 if in_ms else 1.0)


def _row(path: str, line: int, fields: Mapping[str, Any], unit_s: float) -> _Row:
    try:
        at, prompt, output = (
            _seconds(fields["arrival"]) * unit_s,
            int(fields["prompt"]),
            int(fields["output"]),
        )
        hashes = tuple(int(h) for h in fields.get("hashes", ()))
        if not (np.isfinite(at) and 0 <= prompt <= MOST_TOKENS and 0 <= output <= MOST_TOKENS):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        text = ", ".join(f"{key} {fields[key]!r}" for key in _NAMES)
        raise error("trace-bad-line", f"{path}:{line}: not a time and two lengths: {text}") from None
    return _Row(line, at, max(prompt, 1), max(output, 1), str(fields["class"]), hashes)


def _seconds(value: Any) -> float:
    """A number, or a date with a time."""
    try:
        return float(value)
    except ValueError:
        moment = datetime.datetime.fromisoformat(str(value).strip()[:26])
        return moment.replace(tzinfo=moment.tzinfo or datetime.UTC).timestamp()
