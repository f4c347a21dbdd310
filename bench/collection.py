"""Programs of others against the cycles that they publish.

    python bench/collection.py DIR

DIR is the `kernels` folder of a copy of
luozoupi/FABRICA-CUDA2CSL-Optmization-Benchmark-and-Agentic-Framework: for
each program a `spec.yaml` with the cycles of the vendor's simulator (`cycles_send`) and `CSL/` with a script
that compiles it, runs it, checks it and prints its cycles. Without DIR nothing is measured.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from openwafer.cli._run_example import make_commands

SCRIPT = "commands_wse3.sh"
CYCLES = re.compile(r"cycles_send\s*[:=]\s*(\d+)")
TIMEOUT_S = 600


def published(spec: Path) -> int | None:
    found = CYCLES.search(spec.read_text()) if spec.exists() else None
    return int(found[1]) if found else None


def run(folder: Path) -> int | str:
    """Its cycles, or what it says instead."""
    with tempfile.TemporaryDirectory(prefix="openwafer-collection-") as scratch:
        commands, work = Path(scratch, "bin"), Path(scratch, "work")
        commands.mkdir()
        make_commands(commands)
        subprocess.run(["cp", "-r", folder, work], check=True)
        environment = os.environ | {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
        try:
            done = subprocess.run(
                ["bash", SCRIPT],
                cwd=work,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            return f"no end within {TIMEOUT_S} s"
    said = (done.stderr + done.stdout).splitlines()
    if done.returncode:
        return next((line for line in said if line.startswith("error")), said[-1] if said else "failed")
    found = CYCLES.findall(done.stdout)
    return int(found[-1]) if found else "passes, and tells no cycles"


def main() -> None:
    if len(sys.argv) != 2:
        print(__doc__)
        return
    rows: list[dict[str, object]] = []
    print(f"{'program':<28}{'ours':>10}{'published':>11}{'error':>9}")
    for script in sorted(Path(sys.argv[1]).glob(f"*/CSL/{SCRIPT}")):
        name, theirs = script.parent.parent.name, published(script.parent.parent / "spec.yaml")
        ours = run(script.parent)
        error = ours / theirs - 1 if isinstance(ours, int) and theirs else None
        rows.append({"program": name, "ours": ours, "published": theirs, "error": error})
        end = f"{error:>+9.1%}" if error is not None else "" if isinstance(ours, int) else f"  {ours}"
        print(f"{name:<28}{ours if isinstance(ours, int) else '-':>10}{theirs or '-':>11}{end}", flush=True)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "collection.json").write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
