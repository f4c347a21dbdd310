"""What does a large wafer cost? Compiling, storing and loading a rectangle of nine programs, and being idle.

    python bench/scale.py [--arch wse2] [--width 660] [--height 660]

`idle` is the wall time for a launch on one PE of the rectangle's size that does nothing elsewhere: a cycle of
a wafer on which nothing happens must cost nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path

from openwafer.csl import CompileOptions, compile_layout
from openwafer.image import build, read, write
from openwafer.machine import load_machine
from openwafer.sim import Launch, make_engine

HERE = Path(__file__).parent


def resident_bytes() -> int:
    """Memory of this process now. Linux only."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        raise SystemExit("scale.py reads /proc/self/statm, which only Linux has") from None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arch", default="wse2", choices=["wse2", "wse3"])
    parser.add_argument("--width", type=int, default=660)
    parser.add_argument("--height", type=int, default=660)
    args = parser.parse_args()
    size = {"width": args.width, "height": args.height}
    options = CompileOptions(arch=args.arch, params={n: str(v) for n, v in size.items()}, memcpy=True)
    times: dict[str, float] = {}

    start = time.perf_counter()
    image = build(compile_layout(str(HERE / "programs" / "nine.csl"), options), args.arch)
    times["compile"] = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        write(image, Path(folder, "out"))
        times["write"] = time.perf_counter() - start
        stored = sum(f.stat().st_size for f in Path(folder, "out").iterdir())
        start = time.perf_counter()
        image = read(Path(folder, "out"))
        times["read"] = time.perf_counter() - start
    before = resident_bytes()
    start = time.perf_counter()
    engine = make_engine(image, load_machine(args.arch))
    times["load"] = time.perf_counter() - start
    pes = args.width * args.height
    a_pe = (resident_bytes() - before) / pes
    start = time.perf_counter()
    engine.submit(Launch("run"))
    engine.run(None)
    times["launch"] = time.perf_counter() - start
    cycles = engine.now
    start = time.perf_counter()
    engine.run(None)
    times["idle"] = time.perf_counter() - start

    print(f"{pes:,} PEs, {len(image.layout.programs)} programs, {cycles} cycles")
    print("  ".join(f"{name} {seconds:.2f} s" for name, seconds in times.items()))
    print(f"{a_pe:,.0f} B of memory a PE, {stored / pes:.1f} B of image a PE")
    host = {"machine": platform.machine(), "python": platform.python_version(), "cores": os.cpu_count()}
    record = {"host": host, "arch": args.arch, "pes": pes, "seconds": times, "bytes_a_pe": a_pe}
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "scale.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
