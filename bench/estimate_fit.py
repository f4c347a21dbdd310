"""How good are the fitted constants of `estimate`, and what are they? Fits, cross-validates, prints, writes.

Constants are fitted to the logarithms of prediction over measurement by damped least squares on the
logarithms of the constants, with a pull to physically expected values (a factor of `PULL` costs as much as
one row that is off by `SCALE`). No constant belongs to a single row, model or submitter. Held-out errors:
rows are dealt into five parts by their number; each part is predicted by constants fitted without it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from openwafer.estimate._cases import Case, cases, load_rows, reductions
from openwafer.estimate._constants import Constants, constants
from openwafer.estimate._predict import predict

DATA = Path(__file__).parents[1] / "src" / "openwafer" / "estimate" / "data"
SCALE, PULL, FOLDS = 0.15, 2.0, 5
FIRM = {"memory": 1.1, "cache": 1.2, "link": 1.3, "compute_f16": 1.3, "compute_fp8": 1.3, "compute_fp4": 1.4}

PRIOR = {
    "gpu": dict(memory=0.8, cache=0.7, compute_f16=0.65, compute_fp8=0.55, compute_fp4=0.45, amd=0.75,
        expert_half=6e6, link=0.6, reduce_s=8e-6, layer_s=1.5e-5, expert_layer_s=1.5e-5,
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
    x, damp = centre.copy(), 1.0

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
    return with_values(base, table, names, x)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true", help="write constants.toml and errors.json")
    parser.add_argument("--rows")
    parser.add_argument("--table", action="append", choices=list(PRIOR))
    args = parser.parse_args()
    found, _ = cases(load_rows(args.rows))
    found += reductions()
    base, held = constants(), {}
    result = base
    for table in args.table or PRIOR:
        rows = [case for case in found if groups_of(table)(case)]
        for part in range(FOLDS):
            c = fit(result, table, [case for case in rows if fold(case) != part])
            held |= {(r.id, r.group): predict(r, c) for r in rows if fold(r) == part}
        result = fit(result, table, rows)
    report(found, result, held)
    for table in args.table or PRIOR:
        print(table, {k: float(f"{v:.3g}") for k, v in dataclasses.asdict(getattr(result, table)).items()})
    if args.write:
        write(found, result, held)


def write(found: Sequence[Case], c: Constants, held: dict[tuple[str, str], float | None]) -> None:
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
    errors: dict[str, dict[str, float]] = (
        json.loads(errors_file.read_text("utf-8")) if errors_file.exists() else {}
    )
    for case in found:
        value = held.get(case.key, None if case.key in held else predict(case, c))
        if value is not None:
            errors.setdefault(case.group, {})[case.id] = round(value / case.value - 1, 4)
    errors_file.write_text(json.dumps(errors, indent=1, sort_keys=True) + "\n", "utf-8")


def report(found: Sequence[Case], c: Constants, held: dict[tuple[str, str], float | None]) -> None:
    by_group: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for case in found:
        value = predict(case, c)
        if value is None:
            print(case.id, case.group, "does not fit")
            continue
        out = held.get((case.id, case.group))
        error, left = value / case.value - 1, (out or value) / case.value - 1
        by_group[case.group].append((abs(error), abs(left)))
        print(
            f"{case.id} {case.group[:20]:20s} {case.system:11s} x{case.chips:<4d} {case.model:16s} "
            f"{case.form:5s} {case.engine:6s} {case.users:7.0f} measured {case.value:10.4g} "
            f"fitted {error:+7.1%} held out {left:+7.1%}"
        )
    for group, errors in by_group.items():
        fitted, left = np.array(errors).T
        print(
            f"{group:28s} n {len(errors):3d}  median {np.median(fitted):6.1%}  worst {fitted.max():6.1%}   "
            f"held out: median {np.median(left):6.1%}  worst {left.max():6.1%}"
        )


if __name__ == "__main__":
    main()
