"""How near to its bounds is the wafer on products and all-reduces?

    python bench/kernels.py [--arch wse3] [--quick]

GEMM: tiles of 32 × 32 f32 on every PE, 32 tokens, with the all-reduce; its bound is one multiply-add a cycle.
GEMV: 1024 × 1024 f16 on 32 × 32 PEs, with the all-reduce. All-reduces: n elements over P PEs.
The bound of an all-reduce is that of the model of Luczynski et al. (HPDC 2024) for a reduce to one end of the
line, and its broadcast:

    reduce     min over D of  max(n, n E(P, D) / (P - 1) + (P - 1) h) + (1 + 2 T) D
    broadcast  n + P h + 2 T

with h cycles a hop, 2 T cycles up and down the ramp, and E(P, D) the fewest hops of a reduction tree of depth
D: E(P, D) = min over i of E(i, D) + E(P - i, D - 1) + i. Our root may be in the middle, hence ratios below 1.
That bound leaves out the call and the issue of the first operation. `program` has both added: a comparison,
not a bound, for a sum with its root in the middle, or whose code stands where it is called, can be below it.
The bound of the GEMV adds its multiply-adds at the rate that the memory ports allow. What is measured runs
from the call on all PEs to the return on the last, software included.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "nn"))

from mesh_kit import Mesh, lines, run_mesh

from openwafer.machine import Machine, load_machine
from openwafer.nn.kernels._cost import beats

HERE = Path(__file__).parent
TILE = 32
GEMV_PES = 32
PHASES = 3
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement in cycles. `error`: the largest difference from NumPy over the largest element."""

    what: str
    width: int
    height: int
    elements: int
    local: int
    collective: int
    total: int
    bound: float
    ratio: float
    program: float
    error: float


def tree_hops(pes: int) -> NDArray[np.float64]:
    """E(pes, D) for D = 0 … pes - 1."""
    hops = np.full((pes + 1, pes), np.inf)
    hops[1] = 0
    for depth in range(1, pes):
        for p in range(2, pes + 1):
            i = np.arange(1, p)
            hops[p, depth] = (hops[i, depth] + hops[p - i, depth - 1] + i).min()
    return hops[pes]


def all_reduce_bound(machine: Machine, pes: int, n: int) -> float:
    if pes == 1:
        return 0.0
    fabric = machine.fabric
    ramp = fabric.ramp_up_cycles + fabric.ramp_down_cycles
    depth = np.arange(1, pes)
    stream = n * tree_hops(pes)[1:] / (pes - 1) + (pes - 1) * fabric.hop_cycles
    reduce = (np.maximum(n, stream) + (1 + ramp) * depth).min()
    return float(reduce + n + pes * fabric.hop_cycles + ramp)


def program_cycles(machine: Machine) -> int:
    """From a call to the step of the first wavelet, with the issue of one operation between them."""
    return machine.scalar.call_cycles + machine.dsd.issue_cycles + machine.dsd.fabric_setup_cycles


def spans(stamps: NDArray[np.int64]) -> tuple[int, int, int]:
    """Local work of the slowest PE, the rest, and both; stamps 0 and 1 tell what a stamp costs."""
    own = int((stamps[..., 1] - stamps[..., 0]).min())
    start, end = stamps[..., 1].min(), stamps[..., -1].max()
    total = int(end - start) - own * (stamps.shape[-1] - 2)
    local = int((stamps[..., 2] - stamps[..., 1]).max()) - own if stamps.shape[-1] > PHASES else 0
    return local, total - local, total


def execute(mesh: Mesh, arch: str, inputs: Arrays) -> tuple[Arrays, NDArray[np.int64]]:
    with tempfile.TemporaryDirectory() as directory:
        run = run_mesh(mesh, mesh.compile(Path(directory), arch), inputs)
    return run.arrays, run.stamps


TIMED_PRODUCT = """
  stamp(0);
  stamp(1);
  linear.{call};
  stamp(2);
  row.sum(y, {n});
  stamp(3);
"""


def gemm(arch: str, width: int, height: int) -> Row:
    """y = W x on tiles of TILE × TILE, TILE tokens: x split along rows, y along columns."""
    machine, size = load_machine(arch), TILE * TILE
    arrays = {"y": (size, "f32"), "x": (size, "f32"), "unused": (1, "f32"), "w": (size, "f32")}
    body = TIMED_PRODUCT.format(call=f"linear(y, x, w, {TILE}, {TILE}, {TILE})", n=size)
    mesh = Mesh(lines(arch, width, height, size), arrays, body, ("linear",), 4)
    random = np.random.default_rng(0)
    x = random.standard_normal((width, TILE, TILE)).astype(np.float32)
    w = random.standard_normal((height, width, TILE, TILE)).astype(np.float32)
    inputs = {"x": np.broadcast_to(x, w.shape).copy(), "w": w}
    found, stamps = execute(mesh, arch, inputs)
    wanted = np.einsum("yxkn,xkt->ynt", w.astype(np.float64), x.astype(np.float64))
    got = found["y"].reshape(height, width, TILE, TILE)
    error = float(np.abs(got - wanted[:, None]).max() / np.abs(wanted).max())
    local, collective, total = spans(stamps)
    bound = TILE**3 / machine.dsd.fmac32_elements_per_cycle
    return Row(
        "gemm f32",
        width,
        height,
        size,
        local,
        collective,
        total,
        bound,
        total / bound,
        bound + program_cycles(machine),
        error,
    )


def gemv(arch: str, pes: int = GEMV_PES) -> Row:
    """y = W x in f16 with f32 sums, in tiles of TILE × TILE on `pes` × `pes` PEs."""
    machine, side = load_machine(arch), TILE
    arrays = {"y": (side, "f32"), "x": (side, "f32"), "half": (side, "f16"), "w": (side * side, "f16")}
    body = TIMED_PRODUCT.format(call=f"linear_half(y, half, x, w, {side}, {side}, 1)", n=side)
    mesh = Mesh(lines(arch, pes, pes, side), arrays, body, ("linear",), 4)
    random = np.random.default_rng(0)
    x = random.standard_normal((pes, side)).astype(np.float32)
    w = random.standard_normal((pes, pes, side, side)).astype(np.float16)
    found, stamps = execute(mesh, arch, {"x": np.broadcast_to(x, w.shape[:3]).copy(), "w": w})
    wanted = np.einsum("yxkn,xk->yn", w.astype(np.float64), x.astype(np.float64))
    error = float(np.abs(found["y"] - wanted[:, None]).max() / np.abs(wanted).max())
    local, collective, total = spans(stamps)
    bound = beats(machine, "fmachs", side * side) + all_reduce_bound(machine, pes, side)
    return Row(
        "gemv f16",
        pes,
        pes,
        side,
        local,
        collective,
        total,
        bound,
        total / bound,
        bound + program_cycles(machine),
        error,
    )


def all_reduce(arch: str, pes: int, n: int) -> Row:
    machine = load_machine(arch)
    body = f"stamp(0);\nstamp(1);\nrow.sum(y, {n});\nstamp(2);\n"
    mesh = Mesh(lines(arch, pes, 1, n), {"y": (n, "f32")}, body, (), 3)
    y = np.random.default_rng(0).standard_normal((1, pes, n)).astype(np.float32)
    found, stamps = execute(mesh, arch, {"y": y})
    wanted = y.astype(np.float64).sum(1, keepdims=True)
    error = float(np.abs(found["y"] - wanted).max() / np.abs(wanted).max())
    _, collective, total = spans(stamps)
    bound = all_reduce_bound(machine, pes, n)
    return Row(
        "all-reduce",
        pes,
        1,
        n,
        0,
        collective,
        total,
        bound,
        total / bound,
        bound + program_cycles(machine),
        error,
    )


def measure(arch: str, quick: bool) -> list[Row]:
    sides = (4, 8) if quick else (4, 8, 16, 32, 64)
    lengths, counts = ((8, 32), (1, 64)) if quick else ((8, 16, 32, 64, 128), (1, 4, 16, 64, 256, 1024))
    rows = [gemm(arch, side, side) for side in sides]
    rows.append(gemv(arch))
    return rows + [all_reduce(arch, pes, n) for pes in lengths for n in counts]


COLUMNS = (
    ("PEs", 9),
    ("n", 6),
    ("local", 8),
    ("collective", 12),
    ("total", 8),
    ("bound", 8),
    ("ratio", 7),
    ("program", 9),
    ("ratio", 7),
)


def show(arch: str, rows: list[Row]) -> None:
    print(f"\n{arch:<12}" + "".join(f"{name:>{width}}" for name, width in COLUMNS))
    for r in rows:
        pes = f"{r.width}×{r.height}"
        cells = (pes, r.elements, r.local, r.collective, r.total, f"{r.bound:.0f}", f"{r.ratio:.2f}")
        cells = (*cells, f"{r.program:.0f}", f"{r.total / r.program:.2f}")
        print(f"{r.what:<12}" + "".join(f"{c:>{w}}" for c, (_, w) in zip(cells, COLUMNS, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arch", choices=("wse2", "wse3"), action="append")
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    args = parser.parse_args()
    results: dict[str, list[dict[str, object]]] = {}
    for arch in args.arch or ("wse2", "wse3"):
        rows = measure(arch, args.quick)
        show(arch, rows)
        results[arch] = [asdict(row) for row in rows]
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "kernels.json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
