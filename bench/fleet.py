"""How long does a plan take, how far is it from the best, and does it survive what it was made for?

    python bench/fleet.py [--searches 12]

Both examples: time of the whole answer; gap of rounding; survival in fresh draws of other seeds; cost next
to the cheapest plan that other directions of the bad case find.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np

from openwafer.fleet import Goal, Problem, load_fleet
from openwafer.fleet.answers import answer
from openwafer.fleet.uncertainty import _robust as robustness
from openwafer.fleet.uncertainty import draw, evaluate

EXAMPLES = Path(__file__).parents[1] / "examples" / "fleet"
SEEDS = range(100, 110)
DRAWS = 1000


def cheapest_of(problem: Problem, confidence: float, searches: int) -> float:
    """Cost of the cheapest plan that survives often enough, over directions drawn at random."""
    train = draw(problem, robustness.TRAIN_DRAWS, robustness.TRAIN_SEED)
    names = [name for name, risk in problem.fleet.risks.items() if risk.what in robustness.BEARS]
    signs = {name: robustness.BEARS[problem.fleet.risks[name].what] for name in names}
    random, best = np.random.default_rng(0), math.inf
    for _ in range(searches):
        sizes = np.abs(random.standard_normal(len(names)))
        direction = {n: signs[n] * s / np.linalg.norm(sizes) for n, s in zip(names, sizes, strict=True)}
        found, _ = robustness._search(problem, Goal(), direction, train, confidence, lambda _: None)
        best = min(best, found[0].usd if found else math.inf)
    return best


def measure(name: str, searches: int) -> dict[str, Any]:
    fleet = load_fleet(str(EXAMPLES / f"{name}.toml"))
    start = time.perf_counter()
    found = answer(fleet)
    seconds = time.perf_counter() - start
    confidence = fleet.policies.confidence
    assert confidence is not None and found.robust is not None
    survival = [
        float(evaluate(found.plan, draw(found.plan.problem, DRAWS, seed)).survives.mean()) for seed in SEEDS
    ]
    best = cheapest_of(found.problem, confidence.number, searches)
    return {
        "plan": name, "seconds": seconds, "gap": found.plan.rounding.gap, "asked": confidence.number,
        "survival": survival, "usd": found.plan.usd, "usd_of_other_searches": best,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--searches", type=int, default=12)
    args = parser.parse_args()
    rows = [measure(name, args.searches) for name in ("1mw", "750mw")]
    heads = ("seconds", "gap", "asked", "survives", "least", "cost over other searches")
    print("plan    " + "".join(f"{h:>{w}}" for h, w in zip(heads, (9, 8, 7, 10, 8, 26), strict=True)))
    for row in rows:
        over = row["usd"] / row["usd_of_other_searches"] - 1
        print(
            f"{row['plan']:8}{row['seconds']:9.1f}{row['gap']:8.2%}{row['asked']:7.0%}"
            f"{np.median(row['survival']):10.1%}{min(row['survival']):8.1%}{over:26.1%}"
        )
    host = {"host": platform.platform(), "python": platform.python_version()}
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / "fleet.json").write_text(json.dumps({"rows": rows, **host}, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
