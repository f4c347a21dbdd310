"""Runs a campaign and writes what it gave into the ledger: `python tests/campaigns NAME [--count N]`.

Without `--first` it goes on with the first seed that was never run. `--again` runs the seeds once more that
went wrong when they were run last. `--dry` leaves the ledger as it is. Without NAME it prints the ledger's
sums.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parent.parent)

from campaigns import _ledger as ledger  # noqa: E402
from campaigns import _runner as runner  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?", choices=runner.names())
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--first", type=int)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--dry", action="store_true")
    options = parser.parse_args()
    if options.name is None:
        print_sums()
        return 0
    if lacks := runner.missing(options.name):
        print(f"{options.name} needs {', '.join(lacks)}")
        return 2
    return max((carry_out(options.name, seeds, options.dry) for seeds in asked(options)), default=0)


def asked(options: argparse.Namespace) -> list[range]:
    """The ranges of seeds that the options ask for."""
    entries = ledger.read()
    if options.again:
        return [range(seed, seed + 1) for seed in ledger.open_faults(options.name, entries)]
    first = ledger.next_seed(options.name, entries) if options.first is None else options.first
    return [range(first, first + options.count)]


def carry_out(name: str, seeds: range, dry: bool) -> int:
    outcome = runner.run(name, seeds)
    for fault in outcome.faults:
        print(f"{name} {fault.seed}: {fault.text}")
    if not dry:
        ledger.record(name, seeds.start, outcome)
    print(f"{name}: {outcome.count} inputs, {len(outcome.faults)} faults, {outcome.seconds:.0f} s")
    return 1 if outcome.faults else 0


def print_sums() -> None:
    """Prints the ledger's sums as the table of `docs/reliability.md`."""
    entries = ledger.read()
    print("| attacked | inputs that are right | faults found and mended | open | again |")
    print("|---|---|---|---|---|")
    for name in runner.names():
        wrong = len(ledger.open_faults(name, entries))
        mended = ledger.found_faults(name, entries) - wrong
        right = ledger.inputs(name, entries)
        print(f"| {runner.title(name)} | {right:,} | {mended} | {wrong} | `make campaign NAME={name}` |")


if __name__ == "__main__":
    sys.exit(main())
