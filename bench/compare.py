"""What became slower or less accurate between two states: fixed work, run on both in turn.

    python bench/compare.py BEFORE [AFTER] [--rounds 5] [--job NAME …] [--format table|json]

BEFORE and AFTER are commits, or folders with a checkout; AFTER is this checkout unless it is given. Each job
runs in a process of its own, before, after, after, before, …, and its processor time counts, so that a busy
machine disturbs little. The first round fills caches and is not counted. `ratio` is the median of after /
before over the rounds. A job whose result (cycles, counts) differs says so: its times are not comparable.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import compare_jobs

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Row:
    """Processor seconds of a job before and after, medians; `ratio` is that of pairs."""

    job: str
    before_s: float
    after_s: float
    ratio: float
    lowest: float
    highest: float
    same_result: bool


@contextmanager
def checkout(state: str) -> Iterator[Path]:
    """The folder of a state: itself, or a temporary work tree of the commit."""
    if Path(state, "src", "openwafer").is_dir():
        yield Path(state).resolve()
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "tree")
        git = ["git", "-C", str(HERE), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(place), state], check=True)
        try:
            yield place
        finally:
            subprocess.run([*git, "remove", "--force", str(place)], check=True)


def once(tree: Path, job: str) -> dict[str, Any]:
    """What the job prints when it runs on the sources of a tree."""
    environment = os.environ | {"PYTHONPATH": str(tree / "src"), "PYTHONHASHSEED": "0"}
    command = [sys.executable, str(HERE / "compare_jobs.py"), job]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{job} on {tree}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(job: str, before: Path, after: Path, rounds: int) -> Row:
    pairs: list[tuple[float, float]] = []
    results: set[str] = set()
    for number in range(rounds + 1):
        order = (before, after) if number % 2 else (after, before)
        found = {tree: once(tree, job) for tree in order}
        results |= {json.dumps(one["result"]) for one in found.values()}
        pairs.append((found[before]["seconds"], found[after]["seconds"]))
    counted = pairs[1:]
    ratios = [b / a for a, b in counted]
    old, new = (statistics.median(column) for column in zip(*counted, strict=True))
    middle = statistics.median(ratios)
    return Row(job, old, new, middle, min(ratios), max(ratios), len(results) == 1)


def show(rows: list[Row]) -> None:
    print(f"{'job':<16}{'before, s':>11}{'after, s':>11}{'ratio':>8}{'lowest':>9}{'highest':>9}")
    for r in rows:
        told = "" if r.same_result else "  results differ"
        print(
            f"{r.job:<16}{r.before_s:>11.3f}{r.after_s:>11.3f}{r.ratio:>8.3f}{r.lowest:>9.3f}{r.highest:>9.3f}"
            f"{told}"
        )
    print(f"median of the ratios: {statistics.median(r.ratio for r in rows):.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before")
    parser.add_argument("after", nargs="?", default=str(HERE.parent))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--job", action="append", choices=list(compare_jobs.JOBS))
    parser.add_argument("--format", default="table", choices=["table", "json"])
    args = parser.parse_args()
    with ExitStack() as stack:
        before, after = (stack.enter_context(checkout(s)) for s in (args.before, args.after))
        jobs = args.job or list(compare_jobs.JOBS)
        rows = [compare(job, before, after, args.rounds) for job in jobs]
    record = {
        "before": args.before, "after": args.after, "rows": [asdict(row) for row in rows],
        "host": {"machine": platform.machine(), "python": platform.python_version()},
    }  # fmt: skip
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "compare.json").write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record)) if args.format == "json" else show(rows)


if __name__ == "__main__":
    main()
