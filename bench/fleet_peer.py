"""What do we say, and what does FleetSim say, of the same requests on the same GPUs?

    python -m venv peer && peer/bin/pip install vllm-sr-sim
    python bench/fleet_peer.py peer/bin/python [--rate 20 60 100] [--requests 20000]

FleetSim (vllm-sr-sim) makes the requests from its own table of lengths (Azure) and simulates them with its
own profile of an H100. We simulate the same requests with that profile: a step takes W + H · tokens of
context / 8192, a piece of a prompt rides along with a step. docs/fleet-simulation.md says why they differ.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np

from openwafer.fleet.simulation import Fleet, Group, Pool, Requests, StepTable, simulate_batches

HERE = Path(__file__).parent
PEER = """
import json, sys, time
from pathlib import Path
import fleet_sim
from fleet_sim.core.fleet import Fleet, FleetConfig, PoolConfig
from fleet_sim.gpu_profiles.profiles import H100_80GB as gpu
from fleet_sim.workload import CdfWorkload, PoissonWorkload
rate, count, gpus, context = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
table = Path(fleet_sim.__file__).parent / "data" / "azure_cdf.json"
arrivals = PoissonWorkload(rate, CdfWorkload(table), count).generate()
pools = [PoolConfig("all", gpu, gpus, context, lb_strategy="least_loaded")]
start = time.process_time()
Fleet(FleetConfig(pools, "RandomRouter")).run(arrivals)
seconds = time.process_time() - start
rows = [[r.arrival_time, r.l_in, r.l_out, r.first_token_time, r.physical_end_time] for _, r in arrivals]
profile = {"W": gpu.W, "H": gpu.H, "context": gpu.calibration_ctx, "chunk": gpu.chunk}
profile |= {"slots": gpu.n_slots(context), "room": gpu.total_kv_blks * gpu.blk_size}
print(json.dumps(profile | {"seconds": seconds, "rows": rows}))
"""


def ours(peer: dict[str, Any], rows: np.ndarray[Any, Any], gpus: int) -> tuple[Any, float]:
    """The same requests on the same profile; pieces of prompts add nothing to a step, as in FleetSim."""
    batch = np.arange(peer["slots"] + 1)
    steps = StepTable(
        seconds=np.full(len(batch), peer["W"]), context_s=np.full(len(batch), peer["H"] / peer["context"]),
        watts=np.zeros(len(batch)),
    )  # fmt: skip
    pool = Pool(
        name="all", replicas=gpus, steps=steps, prompt_token_s=1e-12, room_tokens=peer["room"],
        step_tokens=peer["chunk"], rule="least",
    )  # fmt: skip
    requests = Requests(
        arrival_s=rows[:, 0].copy(), prompt=rows[:, 1].astype(np.int64), output=rows[:, 2].astype(np.int64),
        group=np.zeros(len(rows), np.int64),
    )  # fmt: skip
    fleet = Fleet(pools=(pool,), groups=(Group(name="all", routes=(("all", 1.0),)),))
    simulate_batches(fleet, requests)
    start = time.process_time()
    run = simulate_batches(fleet, requests)
    return run.requests, time.process_time() - start


def told(first: Any, each: Any) -> dict[str, float]:
    """Milliseconds."""
    ends = [*np.quantile(first, [0.5, 0.99]), each.mean(), np.quantile(each, 0.99)]
    names = ("first p50", "first p99", "token mean", "token p99")
    return {name: 1e3 * float(value) for name, value in zip(names, ends, strict=True)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("python", help="the interpreter that has vllm-sr-sim")
    parser.add_argument("--rate", type=float, nargs="+", default=[4.0, 20.0, 60.0, 100.0])
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--gpus", type=int, default=4)
    parser.add_argument("--context", type=int, default=8192)
    args = parser.parse_args()
    found: list[dict[str, Any]] = []
    for rate in args.rate:
        command = [args.python, "-c", PEER, *(str(v) for v in (rate, args.requests, args.gpus, args.context))]
        peer = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        rows = np.array(peer.pop("rows"))
        token_s = (rows[:, 4] - rows[:, 3]) / np.maximum(rows[:, 2], 1)
        theirs = told(rows[:, 3] - rows[:, 0], token_s)
        table, seconds = ours(peer, rows, args.gpus)
        each = (table["end_s"] - table["first_s"]) / np.maximum(table["output"] - 1, 1)
        mine = told(table["first_s"] - table["arrival_s"], each[table["output"] > 1])
        for name, values, spent in (("FleetSim", theirs, peer["seconds"]), ("ours", mine, seconds)):
            shown = "  ".join(f"{key} {value:8.2f} ms" for key, value in values.items())
            print(f"{rate:6g}/s  {name:9} {shown}  {len(rows) / spent:>10,.0f} requests/s")
            found.append({"rate": rate, "who": name, "requests_per_s": len(rows) / spent} | values)
    out = HERE / "results" / "fleet_peer.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
