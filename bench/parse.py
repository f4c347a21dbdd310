"""Does print → parse give the same syntax tree? `parse.py DIR…`: every CSL file below the directories.

Prints the files that do not parse or come back otherwise, and the speed of the parser.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from openwafer.csl import parse, print_file
from openwafer.diag import DiagnosticError, Source, render


def round_trip(path: Path) -> tuple[str, int, float]:
    """What is wrong with a file ("" if nothing), its bytes, and the seconds of the first parse."""
    text = path.read_text("utf-8", errors="replace")
    start = time.perf_counter()
    try:
        tree = parse(Source(str(path), text))
    except DiagnosticError as failure:
        return render(failure.diagnostics[0]), len(text), time.perf_counter() - start
    seconds = time.perf_counter() - start
    printed = print_file(tree)
    try:
        again = parse(Source(f"{path} (printed)", printed))
    except DiagnosticError as failure:
        return render(failure.diagnostics[0]), len(text), seconds
    fault = "" if again == tree else f"{path}: the printed file has another tree"
    if not fault and print_file(again) != printed:
        fault = f"{path}: printed twice, two texts"
    return fault, len(text), seconds


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", metavar="DIR", nargs="+", type=Path)
    paths = [p for folder in parser.parse_args().folders for p in sorted(folder.rglob("*.csl"))]
    found = [round_trip(path) for path in paths]
    faults = [fault for fault, _, _ in found if fault]
    print("\n".join(faults), end="\n" if faults else "")
    size, seconds = sum(n for _, n, _ in found), sum(s for _, _, s in found)
    print(
        f"{len(paths) - len(faults)} of {len(paths)} files come back the same; {size:,} B in {seconds:.2f} s"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
