"""Estimates of configs, TOML files and tables that somebody else made."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import random
import re
import time
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from campaigns._values import mutate_bytes, mutate_document, wrong_value
from openwafer.diag import DiagnosticError
from openwafer.estimate import estimate, estimate_training, frontier
from openwafer.machine import load_machine
from openwafer.machine.systems import SYSTEMS, load_system

MOST_S = 5.0
"""Processor time of one file."""
SIZES = (1, 2, 1e3, 1e6, 1e9, 1e15, 1e300, 0, -1, 0.5, math.nan, math.inf)


def judged(call: Any, *args: Any) -> tuple[Any, str | None]:
    """What a call gives, None where it diagnoses; and its fault."""
    start = time.process_time()
    try:
        found = call(*args)
    except DiagnosticError as failure:
        found = None
        if not failure.diagnostics or len(str(failure)) > 100_000:
            return None, f"an unreadable diagnostic: {str(failure)[:200]}"
    except Exception as failure:
        return None, f"{type(failure).__name__}: {str(failure)[:300]}"
    spent = time.process_time() - start
    return found, f"took {spent:.1f} s" if spent > MOST_S else None


@cache
def configs() -> dict[str, Any]:
    text = resources.files("openwafer.estimate").joinpath("data/models.json").read_text("utf-8")
    return {name: config for name, config in json.loads(text).items() if "same_as" not in config}


def estimated(rng: random.Random, folder: Path) -> str | None:
    """Mutated configs of all families, with traffic of all sizes."""
    document = configs()[rng.choice(sorted(configs()))]
    for _ in range(rng.choice((0, 1, 1, 2))):
        key = rng.choice(sorted(document))
        document = (
            document | {key: wrong_value(rng)} if rng.random() < 0.7 else mutate_document(rng, document)
        )
        document = document if isinstance(document, dict) else {"model_type": document}
    path = folder / "config.json"
    path.write_text(json.dumps(document), "utf-8")
    if rng.random() < 0.1:
        path.write_bytes(mutate_bytes(rng, path.read_bytes()))
    names = rng.sample(sorted(SYSTEMS), 2)
    sizes = [rng.choice((1024.0, 256.0, 8.0, 1e5, rng.choice(SIZES))) for _ in range(5)]
    found, fault = judged(rng.choice((serve, serve, serve, train, frontiers)), str(folder), names, sizes)
    fault = fault or (unbounded(found) if found is not None else None)
    return f"{fault}; {names}, {sizes}, {json.dumps(document)[:600]}" if fault else None


def serve(path: str, names: list[str], sizes: list[float]) -> Any:
    return estimate(
        path,
        names,
        input=sizes[0],
        output=sizes[1],
        users=sizes[2],
        tokens_per_second_per_user=sizes[3] / 1e4,
    )


def train(path: str, names: list[str], sizes: list[float]) -> Any:
    return estimate_training(
        path, names, tokens=sizes[0] * 1e9, sequence=sizes[1], batch_tokens=sizes[2] * 1e3
    )


def frontiers(path: str, names: list[str], sizes: list[float]) -> Any:
    return [
        row
        for rows in frontier(path, names, input=sizes[0], output=sizes[1], users=sizes[2]).rows.values()
        for row in rows
    ]


def unbounded(rows: Any) -> str | None:
    """A number that is none, in a row of results."""
    for row in rows:
        for name, value in dataclasses.asdict(row).items():
            numbers = value.values() if isinstance(value, dict) else [value]
            if any(isinstance(n, float) and not (math.isfinite(n) and n >= 0) for n in numbers):
                return f"{name} is {value}"
    return None


def texts() -> dict[str, str]:
    machines = resources.files("openwafer.machine")
    found = {
        f"machine {name}": machines.joinpath(f"{name}.toml").read_text("utf-8") for name in ("wse2", "wse3")
    }
    systems = resources.files("openwafer.machine.systems")
    found |= {f"system {name}": systems.joinpath(f"{name}.toml").read_text("utf-8") for name in SYSTEMS}
    found["machine own"] = (
        'base = "wse3"\n[fabric]\nhop_cycles = { value = 2, unit = "cycles", source = "x", '
    )
    found["machine own"] += 'status = "assumed" }\n'
    found["sweep"] = 'model = "llama-3.1-8b"\non = "b200"\nusers = { from = 1, to = 64, times = 4 }\n'
    found["sweep"] += "[config]\nnum_hidden_layers = [2, 4]\n[system.chip]\nmemory_gb = 96\n"
    return found


def toml_file(rng: random.Random, folder: Path) -> str | None:
    """Machine, system and sweep files."""
    from openwafer.cli.sweep import _read  # pyright: ignore[reportPrivateUsage]
    from openwafer.estimate.sweep import make_grid

    kind, text = rng.choice(sorted(texts().items()))
    path = folder / "file.toml"
    changed = toml_text(rng, text)
    path.write_bytes(changed)
    read = {"machine": load_machine, "system": load_system, "sweep": lambda p: make_grid(_read(p))}
    _, fault = judged(read[kind.split()[0]], str(path))
    return f"{fault}; {kind}: {changed[:300]!r}" if fault else None


def toml_text(rng: random.Random, text: str) -> bytes:
    lines = text.splitlines(keepends=True)
    match rng.randrange(8):
        case 0 | 1:
            return mutate_bytes(rng, text.encode())
        case 2:
            lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
        case 3:
            del lines[rng.randrange(len(lines))]
        case 4:
            many = rng.choice((50, 20_000))
            lines += [rng.choice((f"k{i} = 1\n", f"[t{i}]\n", f'"{i}".b = 2\n')) for i in range(many)]
        case 5:
            value = rng.choice(
                ("[" * 3000, "{a=" * 2000, "a." * 30_000 + "a", "9" * 5000, '"' + "x" * 100_000 + '"')
            )
            lines.append(f"deep = {value}\n" if rng.random() < 0.5 else f"{value} = 1\n")
        case _:
            at = rng.choice([i for i, line in enumerate(lines) if "=" in line])
            new = rng.choice(
                (
                    "-1",
                    "0",
                    "1e400",
                    "nan",
                    "-inf",
                    "true",
                    '"x"',
                    "[]",
                    "[1, -1]",
                    "1979-05-27",
                    "10_000_000_000",
                    "9" * 400,
                    '"1:1000000"',
                    "{ from = 1, to = 1e9 }",
                    "0x7f",
                    "1.5",
                    '["1:900000", "1:900000", "1:900000", "1:900000"]',
                )
            )
            lines[at] = re.sub(r"(value = |= )[^,{\n]*", lambda m: m[1] + new, lines[at], count=1)
    return "".join(lines).encode()


def table(rng: random.Random, folder: Path) -> str | None:
    """Tables of published numbers."""
    from openwafer.estimate import validate
    from openwafer.machine.systems import published_rows

    rows = published_rows()
    chosen = [dict(row) for row in rng.sample(rows, rng.randint(0, 12))]
    for row in chosen:
        if rng.random() < 0.5:
            row[rng.choice(sorted(row))] = str(wrong_value(rng)).replace("\ud800", "?")
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(chosen)
    data = text.getvalue().encode()
    path = folder / "rows.csv"
    path.write_bytes(mutate_bytes(rng, data) if rng.random() < 0.3 else data)
    _, fault = judged(validate, str(path))
    return f"{fault}; {chosen}" if fault else None
