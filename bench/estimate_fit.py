"""How good are the fitted constants of `estimate`, and what are they? Fits, cross-validates, prints, writes.

Constants are fitted to the logarithms of prediction over measurement by damped least squares on the
logarithms of the constants, with a pull to physically expected values (a factor of `PULL` costs as much as
one row that is off by `SCALE`). No constant belongs to a single row, model or submitter. Held-out errors, in
two ways: rows are dealt into five parts by their number, and each part is predicted by constants fitted
without it; and each source (a benchmark or a page) is predicted by constants fitted on the others.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from openwafer.estimate._constants import Constants, constants
from openwafer.estimate.validation._case import Case
from openwafer.estimate.validation._cases import cases, load_rows
from openwafer.estimate.validation._cases_mesh import reductions
from openwafer.estimate.validation._predict import predict

DATA = Path(__file__).parents[1] / "src" / "openwafer" / "estimate" / "data"
SCALE, PULL, FOLDS = 0.15, 2.0, 5
ENOUGH = 0.01
"""A step in the logarithms of the constants that ends a fit, which begins at the shipped ones."""
FIRM = {
    "memory": 1.1,
    "even": 1.1,
    "amd_layer": 1.3,
    "cache": 1.2,
    "link": 1.3,
    "compute_f16": 1.3,
    "compute_fp8": 1.3,
    "compute_fp4": 1.4,
}

PRIOR = {
    "gpu": dict(memory=0.8, cache=0.7, compute_f16=0.65, compute_fp8=0.55, compute_fp4=0.45, amd=0.75,
        amd_layer=1.5, expert_half=6e6, even=0.8, link=0.6, reduce_s=8e-6,
        layer_s=1.5e-5, expert_layer_s=1.5e-5,
        step_s=5e-4, sequence_s=5e-6, vllm_step_s=1.5e-3, vllm_sequence_s=2e-5, first_s=0.03, first_steps=2.0,
        first_queue=0.5, first_closed=0.13, spread_steps=8),
    "wafer": dict(slowdown=1.5),
    "power": dict(floor=0.5, memory=0.4, compute=0.3, host_w=1200.0, host_part=0.1),
    "train": dict(f16=0.45, fp8=0.45, fp4=0.3, blackwell=0.9, amd=0.9, half_width=1000.0, few_tokens=300.0),
}  # fmt: skip
GROUPS = {
    "gpu": ("time per token", "time to first token", "offline throughput"),
    "wafer": ("wafer speed a user",),
    "power": ("energy, GPU", "energy, wall"),
    "train": ("training throughput", "fine-tuning throughput"),
}


Held: TypeAlias = dict[tuple[str, str], float | None]


def groups_of(table: str) -> Callable[[Case], bool]:
    return lambda case: case.fit and case.group in GROUPS[table]


def fold(case: Case) -> int:
    number = int("".join(ch for ch in case.id if ch.isdigit()))
    return (number + number // 2) % FOLDS


def with_values(base: Constants, table: str, names: Sequence[str], logs: np.ndarray) -> Constants:
    part = dataclasses.replace(getattr(base, table), **dict(zip(names, np.exp(logs).tolist(), strict=True)))
    return dataclasses.replace(base, **{table: part})


def residuals(found: Sequence[Case], c: Constants) -> np.ndarray:
    out = []
    for case in found:
        value = predict(case, c)
        out.append(0.0 if value is None else np.log(value / case.value) / SCALE)
    return np.array(out)


def fit(base: Constants, table: str, rows: Sequence[Case], rounds: int = 12) -> Constants:
    prior = PRIOR[table]
    names = list(prior)
    centre = np.log(np.array(list(prior.values())))
    pull = np.log([FIRM.get(name, PULL) if table == "gpu" else PULL for name in names])
    x, damp = np.log([getattr(getattr(base, table), name) for name in names]), 1.0

    def whole(logs: np.ndarray) -> np.ndarray:
        r = residuals(rows, with_values(base, table, names, logs))
        soft = np.sign(r) * np.sqrt(2 * (np.sqrt(1 + r * r) - 1))
        return np.concatenate([soft, (logs - centre) / pull])

    r = whole(x)
    for _ in range(rounds):
        step = 1e-3
        jac = np.stack([(whole(x + step * e) - r) / step for e in np.eye(len(x))], axis=1)
        while damp < 1e6:
            move = np.linalg.solve(jac.T @ jac + damp * np.eye(len(x)), -jac.T @ r)
            new = whole(x + move)
            if new @ new < r @ r:
                x, r, damp = x + move, new, damp / 3
                break
            damp *= 4
        if damp >= 1e6 or np.abs(move).max() < ENOUGH:
            break
    return with_values(base, table, names, x)


def source(case: Case) -> str:
    """A benchmark's power rows and rounds belong to it."""
    return " ".join(case.source.split()[:2])


def left_out(base: Constants, table: str, rows: Sequence[Case], part_of: Callable[[Case], object]) -> Held:
    """Each row as predicted by constants that were fitted without its part."""
    found: Held = {}
    for part in dict.fromkeys(map(part_of, rows)):
        c = fit(base, table, [case for case in rows if part_of(case) != part])
        found |= {case.key: predict(case, c) for case in rows if part_of(case) == part}
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true", help="write constants.toml and errors.json")
    parser.add_argument("--rows")
    parser.add_argument("--table", action="append", choices=list(PRIOR))
    args = parser.parse_args()
    found, _ = cases(load_rows(args.rows))
    found += reductions()
    result = base = constants()
    held: Held = {}
    alone: Held = {}
    for table in args.table or PRIOR:
        rows = [case for case in found if groups_of(table)(case)]
        held |= left_out(base, table, rows, fold)
        alone |= left_out(base, table, rows, lambda case: source(case))
        result = fit(result, table, rows)
    report(found, result, held, alone)
    for table in args.table or PRIOR:
        print(table, {k: float(f"{v:.3g}") for k, v in dataclasses.asdict(getattr(result, table)).items()})
    if args.write:
        write(found, result, {"row": held, "source": alone})


def write(found: Sequence[Case], c: Constants, held: dict[str, Held]) -> None:
    """Values into constants.toml; errors that were held out (or of rows never fitted) into errors.json."""
    constants_file, errors_file = DATA / "constants.toml", DATA / "errors.json"
    lines, table = [], ""
    for line in constants_file.read_text("utf-8").splitlines():
        table = line.strip("[]") if line.startswith("[") else table
        name = line.split(" = ")[0]
        if name in PRIOR.get(table, {}):
            line = re.sub(r"value = [^,]+,", f"value = {getattr(getattr(c, table), name):.4g},", line)
        lines.append(line)
    constants_file.write_text("\n".join(lines) + "\n", "utf-8")
    errors = {way: errors_of(found, c, values) for way, values in held.items()}
    errors_file.write_text(json.dumps(errors, indent=1, sort_keys=True) + "\n", "utf-8")


def errors_of(found: Sequence[Case], c: Constants, held: Held) -> dict[str, dict[str, float]]:
    out: dict[str, dict[str, float]] = {}
    for case in found:
        value = held.get(case.key, None if case.key in held else predict(case, c))
        if value is not None:
            out.setdefault(case.group, {})[case.id] = round(value / case.value - 1, 4)
    return out


def report(found: Sequence[Case], c: Constants, held: Held, alone: Held) -> None:
    by_group: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for case in found:
        value = predict(case, c)
        if value is None:
            print(case.id, case.group, "does not fit")
            continue
        out, other = (ways.get(case.key) or value for ways in (held, alone))
        error, left, far = (v / case.value - 1 for v in (value, out, other))
        by_group[case.group].append((abs(error), abs(left), abs(far)))
        print(
            f"{case.id} {case.group[:20]:20s} {case.system:11s} x{case.chips:<4d} {case.model:16s} "
            f"{case.form:5s} {case.engine:6s} {case.users:7.0f} measured {case.value:10.4g} "
            f"fitted {error:+7.1%} without row {left:+7.1%} source {far:+7.1%}"
        )
    for group, errors in by_group.items():
        columns = zip(("fitted", "without row", "without source"), np.array(errors).T, strict=True)
        words = "   ".join(f"{n}: {np.median(e):6.1%} worst {e.max():6.1%}" for n, e in columns)
        print(f"{group:34s} n {len(errors):3d}  {words}")


if __name__ == "__main__":
    main()
