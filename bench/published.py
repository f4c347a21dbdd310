"""How far are our cycles from the published ones? DSD operations on one PE of wse3, against the facts under
`[published]`.

    python bench/published.py [DIR]

With a copy of the vendor's examples in DIR, whole programs too. Rates come from two lengths, set-up cycles
from what is left. The last rows are ways to do the same 4096 multiply-adds.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from examples.published import compare
from openwafer.csl import CompileOptions, compile_layout
from openwafer.image import build
from openwafer.machine import load_machine
from openwafer.sim import CopyOut, Launch, make_engine

HERE = Path(__file__).parent
ARCH = "wse3"
LENGTHS = (256, 1024)


def cycles(kind: int, n: int) -> int:
    """Cycles of the timed section, without those of reading the time."""
    options = CompileOptions(arch=ARCH, params={"kind": str(kind), "n": str(n)}, memcpy=True)
    image = build(compile_layout(str(HERE / "programs" / "rates_layout.csl"), options), ARCH)
    engine = make_engine(image, load_machine(ARCH))
    engine.submit(Launch("run"))
    words = np.zeros((1, 1, 9), np.uint32)
    engine.run(engine.submit(CopyOut("stamps", 0, 0, words, 2)))
    low, middle, high = (words[0, 0].astype(np.int64).reshape(3, 3)[:, i] for i in range(3))
    times = low + (middle << 16) + (high << 32)
    return int((times[2] - times[1]) - (times[1] - times[0]))


def rate(kind: int) -> float:
    """Elements a cycle."""
    short, long = (cycles(kind, n) for n in LENGTHS)
    return (LENGTHS[1] - LENGTHS[0]) / (long - short)


ROWS: tuple[tuple[str, str, Callable[[], float]], ...] = (
    ("copy f16, elements/cycle", "copy_f16_elements_per_cycle", lambda: rate(0)),
    ("copy f32, elements/cycle", "copy_f32_elements_per_cycle", lambda: rate(1)),
    ("fma f16, elements/cycle", "fma_f16_elements_per_cycle", lambda: rate(2)),
    ("fma f32 with conflict, elements/cycle", "fma_f32_conflict_elements_per_cycle", lambda: rate(3)),
    ("add f16, elements/cycle", "elementwise_f16_elements_per_cycle", lambda: rate(5)),
    ("write f16, elements/cycle", "write_f16_elements_per_cycle", lambda: rate(6)),
    ("4096 f16 fma, one operation, cycles", "fma_f16_4096_one_dsd_cycles", lambda: cycles(2, 4096)),
    ("4096 f16 fma, @map over tiles, cycles", "fma_f16_4096_map_tiles_cycles", lambda: cycles(7, 1)),
    ("4096 f16 fma, while over tiles, cycles", "fma_f16_4096_while_tiles_cycles", lambda: cycles(8, 1)),
)


def main() -> None:
    machine = load_machine(ARCH)
    rows: list[dict[str, object]] = []
    print(f"{'what':<42}{'ours':>10}{'published':>11}{'error':>9}")
    for title, fact, measure in ROWS:
        ours, published = measure(), float(machine.fact(f"published.{fact}").value)  # type: ignore[arg-type]
        error = ours / published - 1
        rows.append({"what": title, "ours": ours, "published": published, "error": error})
        print(f"{title:<42}{ours:>10.2f}{published:>11.2f}{error:>+9.1%}")
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    (results / "published.json").write_text(json.dumps(rows, indent=2) + "\n")
    if len(sys.argv) > 1:
        compare(Path(sys.argv[1]), results)


if __name__ == "__main__":
    main()
