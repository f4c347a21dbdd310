"""Which mutated CSL programs break the compiler: `fuzz.py [COUNT] [SEED] [--extra DIR] [--keep DIR]`.

Each worker compiles its share with 5 s of processor time a program and 3 GiB of memory; a share that does not
come back in time is killed and counted as `hang`. `--extra` takes the CSL files below a directory instead of
ours; `--keep` writes reproducers.
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
import multiprocessing.pool
import re
import sys
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "lang"))

import csl_fuzz

SHARE = 50


def worker(programs: list[csl_fuzz.Program], seeds: range, out: Connection) -> None:
    csl_fuzz.limit_memory()
    out.send(csl_fuzz.run(programs, seeds))


def share(programs: list[csl_fuzz.Program], seeds: range) -> tuple[dict[str, int], list[csl_fuzz.Failure]]:
    """Runs a share in a process of its own, and ends it when it takes too long."""
    receive, send = mp.Pipe(False)
    process = mp.Process(target=worker, args=(programs, seeds, send))
    process.start()
    send.close()
    try:
        done = receive.poll(SHARE * csl_fuzz.LIMIT_S)
        return receive.recv() if done else ({"hang": 1}, [csl_fuzz.Failure("hang", str(seeds), {})])
    except EOFError:
        return {"died": 1}, [csl_fuzz.Failure("died", str(seeds), {})]
    finally:
        process.kill()
        process.join()


def extra(folder: str) -> list[csl_fuzz.Program]:
    """Every CSL file below a folder in turn as the one that is mutated, with the layout beside it."""
    programs: list[csl_fuzz.Program] = []
    for path in sorted(Path(folder).rglob("*.csl")):
        beside = {str(p.relative_to(path.parent)): p.read_text() for p in path.parent.rglob("*.csl")}
        if "layout.csl" in beside:
            programs.append(csl_fuzz.Program(str(path), path.name, beside, params(path.parent, beside)))
        else:
            programs.append(csl_fuzz.of_text(str(path), path.read_text()))
    return programs


def params(folder: Path, files: dict[str, str]) -> dict[str, str]:
    """What the commands of an example give for the parameters of its layout, else small values."""
    found = csl_fuzz.defaults(files["layout.csl"])
    for script in sorted(folder.glob("commands*.sh")):
        for given in re.findall(r"--params=(\S+)", script.read_text()):
            found |= dict(p.split(":", 1) for p in given.split(",") if ":" in p)
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int, nargs="?", default=2000)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    parser.add_argument("--extra", default="")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--jobs", type=int, default=mp.cpu_count())
    options = parser.parse_args()
    programs = extra(options.extra) if options.extra else csl_fuzz.corpus()
    start = time.perf_counter()
    first = options.seed * options.count
    shares = [
        range(s, min(s + SHARE, first + options.count)) for s in range(first, first + options.count, SHARE)
    ]
    counts: Counter[str] = Counter()
    failures: list[csl_fuzz.Failure] = []
    with mp.pool.ThreadPool(options.jobs) as pool:
        for some, failed in pool.imap_unordered(lambda seeds: share(programs, seeds), shares):
            counts.update(some)
            failures += failed
    report(counts, failures, time.perf_counter() - start, len(programs))
    if options.keep:
        keep(failures, options.keep)
    return 1 if failures else 0


def report(counts: Counter[str], failures: list[csl_fuzz.Failure], seconds: float, programs: int) -> None:
    total = counts.total()
    print(f"{total:,} mutations of {programs} programs in {seconds:.0f} s: {len(failures)} failures\n")
    print(f"{'outcome':40} {'count':>7} {'share':>7}")
    for outcome, count in counts.most_common(25):
        print(f"{outcome:40} {count:7,} {100 * count / total:6.1f} %")
    print(f"{'(distinct outcomes)':40} {len(counts):7,}\n")
    for kind, count in Counter(f.kind for f in failures).most_common():
        print(f"{count:5} × {kind}")


def keep(failures: list[csl_fuzz.Failure], folder: Path) -> None:
    """Writes the smallest reproducer of each kind."""
    smallest: dict[str, csl_fuzz.Failure] = {}
    for failure in sorted(failures, key=lambda f: -sum(map(len, f.files.values()))):
        smallest[failure.kind] = failure
    for number, (kind, failure) in enumerate(sorted(smallest.items())):
        place = folder / str(number)
        for name, text in failure.files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text)
        place.mkdir(parents=True, exist_ok=True)
        (place / "failure.txt").write_text(f"{kind}\n{failure.detail}\n")


if __name__ == "__main__":
    sys.exit(main())
