"""How does a model scale? One decode step and one training step of the same model on 4 × 4 to 64 × 64 PEs.

    python bench/scaling.py [--machine wse3] [--quick] [--format table|json]

A row has the seconds of compiling (PyTorch to image) and loading (machine code, engine, weights), the
wall seconds of simulating the step, the bytes a PE of its data, its cycles; then cycles by kind of work, mean
over the PEs of a second run with time stamps. A PE that waits in an all-reduce counts the wait there. Machine
code is made anew for each row.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openwafer.nn import Wafer, compile, compile_generation, compile_training
from openwafer.sim import compile_engine

if TYPE_CHECKING:
    from openwafer.nn.run._generation import Generator
    from openwafer.nn.run._profile import Phase
    from openwafer.nn.run._session import Session
    from openwafer.nn.run._training import TrainingStep

HERE = Path(__file__).parent
SIDES, QUICK_SIDES = (4, 8, 16, 32, 64), (4, 8)
SIZES = {"layers": 1, "hidden": 64, "heads": 8, "kv_heads": None, "ffn": 64, "vocab_size": 64}
TOKENS = 16
"""Of a training step; also those that a decoded token looks back on."""
KINDS = (
    "linear layers",
    "attention",
    "norms",
    "embedding",
    "elementwise",
    "loss",
    "optimizer",
    "all-reduces",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One step on one rectangle; `kinds` are cycles by kind of work, in a run with time stamps."""

    step: str
    side: int
    compile_s: float
    load_s: float
    wall_s: float
    cycles: int
    local_bytes: int
    kinds: dict[str, float]


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def new_model(tokens: int) -> Any:
    from openwafer.cli.train import make_config
    from openwafer.nn.text._trainer import new_model

    sizes = dict(SIZES)
    return new_model(make_config(sizes.pop("vocab_size"), context=tokens, kind="llama", **sizes), 0)


def decode(wafer: Wafer) -> Row:
    model, context = new_model(2 * TOKENS), 2 * TOKENS

    def make() -> Generator:
        return compile_generation(model, context, wafer, prefill=TOKENS)

    generator, compile_s = timed(make)
    compile_s += timed(lambda: generator.session.image)[1]
    load_s = timed(lambda: generator.session.device)[1]
    generator.feed(list(range(TOKENS)))
    return row("decode", generator.session, compile_s, load_s, lambda: generator.feed([1]), generator.profile)


def training(wafer: Wafer) -> Row:
    import torch

    from openwafer.nn.text._trainer import next_token_loss

    model = new_model(TOKENS)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    ids = torch.arange(TOKENS)[None]
    wanted = (ids + 1) % SIZES["vocab_size"]

    def make() -> TrainingStep:
        return compile_training(model, next_token_loss, optimizer, (ids, wanted), wafer)

    step, compile_s = timed(make)
    compile_s += timed(lambda: step.session.image)[1]
    load_s = timed(lambda: step.session.device)[1]
    step(ids, wanted)
    return row("training", step.session, compile_s, load_s, lambda: step(ids, wanted), step.profile)


def row(
    step: str, session: Session, compile_s: float, load_s: float, run: Callable[[], Any],
    profile: Callable[..., list[Phase]],
) -> Row:  # fmt: skip
    before = session.device.now
    wall_s = timed(run)[1]
    cycles = session.device.now - before
    kinds = {phase.name: phase.mean for phase in profile(by="kind")}
    assert set(kinds) <= set(KINDS), kinds
    w, _ = session.wafer.shape
    return Row(step, w, compile_s, load_s, wall_s, cycles, session.memory.bytes, kinds)


def warm_up(machine: str) -> None:
    """What a process does only once: imports, and the engine's own compilation."""
    import torch

    model, x = torch.nn.Linear(4, 4), torch.ones(1, 4)
    compile(model, (x,), Wafer(machine, (1, 1)))(x)


def measure(machine: str, sides: tuple[int, ...]) -> list[Row]:
    warm_up(machine)
    return [of(Wafer(machine, (side, side))) for of in (decode, training) for side in sides]


def table(rows: list[Row]) -> str:
    used = [kind for kind in KINDS if any(kind in r.kinds for r in rows)]
    heads = ["PEs", "compile s", "load s", "wall s", "B a PE", "cycles", *used]
    cells = [
        [
            f"{r.side}×{r.side}", f"{r.compile_s:.1f}", f"{r.load_s:.1f}", f"{r.wall_s:.2f}",
            f"{r.local_bytes:,}", f"{r.cycles:,}", *(f"{r.kinds.get(kind, 0):,.0f}" for kind in used),
        ]
        for r in rows
    ]  # fmt: skip
    widths = [max(len(line[i]) for line in [heads, *cells]) for i in range(len(heads))]
    lines = ["  ".join(c.rjust(n) for c, n in zip(line, widths, strict=True)) for line in [heads, *cells]]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--machine", default="wse3")
    parser.add_argument("--quick", action="store_true", help="4 × 4 and 8 × 8 PEs only")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        compile_engine()
        os.environ["OPENWAFER_CACHE"] = directory
        rows = measure(args.machine, QUICK_SIDES if args.quick else SIDES)
    host = {"machine": platform.machine(), "python": platform.python_version(), "cores": os.cpu_count()}
    record = {
        "host": host, "machine": args.machine, "model": {"kind": "llama", **SIZES, "tokens": TOKENS},
        "rows": [asdict(r) for r in rows],
    }  # fmt: skip
    text = json.dumps(record, indent=2)
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "scaling.json").write_text(text + "\n")
    if args.format == "json":
        sys.stdout.write(text + "\n")
        return
    for step in ("decode", "training"):
        print(f"\n{step}, {args.machine}")
        print(table([r for r in rows if r.step == step]))


if __name__ == "__main__":
    main()
