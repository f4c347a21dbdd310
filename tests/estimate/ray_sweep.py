"""A sweep on a Ray cluster of two workers on the loopback of this machine: `AXES OUT none|kill`.

With `kill` the first worker that has answered is killed. Prints as JSON how many workers there were.
"""

import ast
import json
import os
import signal
import sys
import tempfile

import ray
from ray.cluster_utils import Cluster

from openwafer.estimate.sweep import _ray, _store, sweep


def main() -> None:
    axes, out, kill = ast.literal_eval(sys.argv[1]), sys.argv[2], sys.argv[3] == "kill"
    _store.POINTS = 4
    pids: set[int] = set()
    started = tempfile.mkdtemp(dir=os.path.dirname(out))
    killed: list[int] = []
    plain = _ray.solve

    def told(packed: bytes, start: int, stop: int, form: str) -> bytes:
        """As `solve`, with the worker's process in front; no worker begins before there are two."""
        import time

        open(f"{started}/{os.getpid()}", "w").close()
        while len(os.listdir(started)) < 2:
            time.sleep(0.02)
        return os.getpid().to_bytes(8, "little") + plain(packed, start, stop, form)  # type: ignore[arg-type]

    def put(self: _store.Store, part: int, data: bytes) -> None:
        pid = int.from_bytes(data[:8], "little")
        pids.add(pid)
        if kill and not killed and part >= 8:
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
        original(self, part, data[8:])

    original = _store.Store.put
    _ray.solve = told  # type: ignore[assignment]
    _store.Store.put = put  # type: ignore[method-assign]
    node = {"num_cpus": 2, "node_ip_address": "127.0.0.1", "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node | {"object_store_memory": 10**8})
    try:
        sweep(axes, out, ray=cluster.address)
    finally:
        ray.shutdown()
        cluster.shutdown()
    print(json.dumps({"workers": len(pids), "killed": bool(killed)}))


if __name__ == "__main__":
    main()
