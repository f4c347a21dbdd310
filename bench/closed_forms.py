"""How far are the closed-form cycles of kernels from the simulator, 4 × 4 to 64 × 64 PEs?

    python bench/closed_forms.py [--arch wse3] [--most 64] [--write]

Products with their sums over a row (`kernels.py` says how they are timed) and sums along a row of PEs. With
--write the simulated cycles go into the package, where `openwafer validate` compares them. Sums are
predicted twice: as `nn` plans them, and as wafers are estimated.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections.abc import Iterator
from pathlib import Path

import kernels
from openwafer.estimate._constants import constants
from openwafer.estimate.validation._cases_mesh import case_of
from openwafer.estimate.validation._predict import predict

DATA = Path(__file__).parents[1] / "src" / "openwafer" / "estimate" / "data" / "simulated.csv"
COLUMNS = ("kernel", "machine", "width", "height", "n", "cycles")
SIDES = (4, 8, 16, 32, 64)
COUNTS = (1, 4, 16, 64, 256, 1024)
Row = dict[str, str]


def measure(arch: str, most: int) -> Iterator[Row]:
    for side in (side for side in SIDES if side <= most):
        yield row("gemm", arch, kernels.gemm(arch, side, side))
        yield row("gemv", arch, kernels.gemv(arch, side))
        for count in COUNTS:
            found = kernels.all_reduce(arch, side, count)
            yield row("all-reduce", arch, found)
            yield row("all-reduce, estimated", arch, found)


def row(kernel: str, arch: str, found: kernels.Row) -> Row:
    values = (kernel, arch, found.width, found.height, found.elements, found.total)
    return dict(zip(COLUMNS, map(str, values), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arch", choices=("wse2", "wse3"), action="append")
    parser.add_argument("--most", type=int, default=64)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    rows = [row for arch in args.arch or ("wse2", "wse3") for row in measure(arch, args.most)]
    errors: dict[str, list[float]] = {}
    print(f"{'kernel':<44}{'simulated':>10}{'closed':>10}{'error':>8}")
    for found in rows:
        case = case_of(found)
        value = predict(case, constants())
        assert value is not None
        error = value / case.value - 1
        errors.setdefault(case.scenario, []).append(abs(error))
        print(f"{case.id:<44}{case.value:>10.0f}{value:>10.0f}{error:>+8.1%}")
    for name, own in errors.items():
        print(f"{name:<24} median {statistics.median(own):6.1%}  worst {max(own):6.1%}  of {len(own)}")
    if args.write:
        with DATA.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
