"""How long does one estimate take, cold and warm?

python bench/estimate.py
"""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy

from openwafer.estimate import estimate, estimate_training, frontier

HERE = Path(__file__).parent
RUNS = 50
ALL = [
    "cs2",
    "cs3",
    "cs4",
    "a100",
    "h100",
    "h200",
    "b200",
    "b300",
    "gb200",
    "gb300",
    "mi300x",
    "mi325x",
    "mi355x",
]

ROWS: tuple[tuple[str, Callable[[], object]], ...] = (
    ("70B on a CS-3", lambda: estimate("llama-3.1-70b", ["cs3"], users=64)),
    ("70B on a B200 server", lambda: estimate("llama-3.1-70b", ["b200"], users=64)),
    ("70B on all 13 systems", lambda: estimate("llama-3.1-70b", ALL, users=64)),
    ("DeepSeek-V3 on GB200 NVL72", lambda: estimate("deepseek-v3", ["gb200"], users=1000)),
    ("training of the 70B on a CS-3", lambda: estimate_training("llama-3.1-70b", ["cs3"], tokens=1e12)),
    ("frontier of the 70B, 3 systems", lambda: frontier("llama-3.1-70b", ["cs3", "b200", "h100"])),
)


def main() -> None:
    results: list[dict[str, object]] = []
    print(f"{'':<32}{'first, ms':>10}{'median, ms':>12}{'worst, ms':>11}")
    for title, call in ROWS:
        times: list[float] = []
        for _ in range(RUNS):
            start = time.perf_counter()
            call()
            times.append((time.perf_counter() - start) * 1e3)
        first, warm = times[0], times[1:]
        print(f"{title:<32}{first:>10.1f}{statistics.median(warm):>12.1f}{max(warm):>11.1f}")
        results.append(
            {"what": title, "first_ms": first, "median_ms": statistics.median(warm), "worst_ms": max(warm)}
        )
    host = {"python": platform.python_version(), "machine": platform.processor(), "numpy": numpy.__version__}
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "estimate.json").write_text(json.dumps({"rows": results} | host, indent=2) + "\n")


if __name__ == "__main__":
    main()
