"""What profiling costs: wall time of the programs of `bench/programs` with a profile over that without.

    python bench/profiling.py [--arch wse3] [--runs 5]

The two are run in turn, so that what else the machine does weighs on both; medians and the ratio are printed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

from openwafer.csl import CompileOptions, compile_layout
from openwafer.image import Image, build
from openwafer.machine import load_machine
from openwafer.sim import Launch, make_engine

HERE = Path(__file__).parent
KINDS = {"dense": (32, 32, 100), "exchange": (32, 32, 8), "stream": (128, 64, 1)}
ORDER = ("dense", "exchange", "stream")


def image_of(kind: str, arch: str) -> Image:
    width, height, repeats = KINDS[kind]
    params = {"width": width, "height": height, "kind": ORDER.index(kind), "repeats": repeats}
    options = CompileOptions(arch=arch, params={n: str(v) for n, v in params.items()}, memcpy=True)
    return build(compile_layout(str(HERE / "programs" / "layout.csl"), options), arch)


def run_s(image: Image, arch: str, *, profile: bool) -> float:
    """Seconds of one run, loading apart."""
    engine = make_engine(image, load_machine(arch), profile=profile)
    engine.submit(Launch("run"))
    begin = time.perf_counter()
    engine.run(None)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arch", default="wse3", choices=["wse2", "wse3"])
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    print(f"{'program':<10}{'plain s':>10}{'profiled s':>12}{'ratio':>8}")
    rows: list[dict[str, object]] = []
    for kind in ORDER:
        image = image_of(kind, args.arch)
        pairs = [[run_s(image, args.arch, profile=p) for p in (False, True)] for _ in range(args.runs)]
        plain, profiled = (statistics.median(times) for times in zip(*pairs, strict=True))
        print(f"{kind:<10}{plain:>10.4f}{profiled:>12.4f}{profiled / plain:>8.2f}")
        rows.append({"program": kind, "plain_s": plain, "profiled_s": profiled, "ratio": profiled / plain})
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    (results / "profiling.json").write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
