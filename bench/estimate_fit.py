"""How good are the fitted constants of `estimate`, and what are they? Fits, cross-validates, prints, writes.

Constants are fitted to the logarithms of prediction over measurement by damped least squares on the logarithms of
the constants, with a pull to physically expected values (a factor of `PULL` costs as much as one row that is off by
`SCALE`). No constant belongs to a single row, model or submitter. Held-out errors: rows are dealt into five parts by
their number; each part is predicted by constants fitted without it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from openwafer.estimate._cases import Case, cases, load_rows
from openwafer.estimate._constants import Constants, constants
from openwafer.estimate._predict import predict

SCALE, PULL, FOLDS = 0.15, 2.0, 5
PRIOR = {
    "gpu": dict(memory=0.85, cache=0.65, compute_f16=0.65, compute_fp8=0.55, compute_fp4=0.45, amd=0.75,
        expert_half=6e6, link=0.6, reduce_s=8e-6, layer_s=1.5e-5, expert_layer_s=1.5e-5, expert_token_s=5e-7,
        step_s=5e-4, sequence_s=5e-6, vllm_step_s=1.5e-3, vllm_sequence_s=2e-5, first_s=0.03, first_steps=2.0,
        first_queue=0.5, first_closed=0.13),
    "power": dict(floor=0.5, memory=0.4, compute=0.3, host_w=1200.0, host_part=0.1),
}  # fmt: skip


def groups_of(table: str) -> Callable[[Case], bool]:
    energy = table == "power"
    return lambda case: case.fit and case.group.startswith("energy") == energy and not case.group.startswith("train")


def fold(case: Case) -> int:
    return int("".join(ch for ch in case.id if ch.isdigit())) // 2 % FOLDS


def with_values(base: Constants, table: str, names: Sequence[str], logs: np.ndarray) -> Constants:
    part = dataclasses.replace(getattr(base, table), **dict(zip(names, np.exp(logs).tolist(), strict=True)))
    return dataclasses.replace(base, **{table: part})


def residuals(found: Sequence[Case], c: Constants) -> np.ndarray:
    out = []
    for case in found:
        value = predict(case, c)
        weight = 0.5 if "InferenceX" in case.group else 1.0
        out.append(0.0 if value is None else weight * np.log(value / case.value) / SCALE)
    return np.array(out)


def fit(base: Constants, table: str, rows: Sequence[Case], rounds: int = 12) -> Constants:
    prior = PRIOR[table]
    names = list(prior)
    centre = np.log(np.array(list(prior.values())))
    x, damp = centre.copy(), 1.0

    def whole(logs: np.ndarray) -> np.ndarray:
        r = residuals(rows, with_values(base, table, names, logs))
        soft = np.sign(r) * np.sqrt(2 * (np.sqrt(1 + r * r) - 1))
        return np.concatenate([soft, (logs - centre) / np.log(PULL)])

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
    parser.add_argument("--out")
    parser.add_argument("--rows")
    args = parser.parse_args()
    found, _ = cases(load_rows(args.rows))
    base, held = constants(), {}
    result = base
    for table in PRIOR:
        rows = [case for case in found if groups_of(table)(case)]
        for part in range(FOLDS):
            c = fit(result, table, [case for case in rows if fold(case) != part])
            held |= {(r.id, r.group): predict(r, c) for r in rows if fold(r) == part}
        result = fit(result, table, rows)
    report(found, result, held)
    for table in PRIOR:
        print({k: float(f"{v:.3g}") for k, v in dataclasses.asdict(getattr(result, table)).items()})
    if args.out:
        errors = {f"{i} {g}": v for (i, g), v in held.items()}
        with open(args.out, "w") as file:
            json.dump({"constants": dataclasses.asdict(result), "held": errors}, file, indent=1)


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
        print(f"{case.id} {case.group[:20]:20s} {case.system:11s} x{case.chips:<4d} {case.model:16s} {case.form:5s} "
              f"{case.engine:6s} {case.users:7.0f} measured {case.value:10.4g} fitted {error:+7.1%} held out {left:+7.1%}")
    for group, errors in by_group.items():
        fitted, left = np.array(errors).T
        print(f"{group:28s} n {len(errors):3d}  median {np.median(fitted):6.1%}  worst {fitted.max():6.1%}   "
              f"held out: median {np.median(left):6.1%}  worst {left.max():6.1%}")


if __name__ == "__main__":
    main()
