"""Parts of a sweep on a Ray cluster; a part whose worker dies is given to another one."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from openwafer.diag import error
from openwafer.estimate.sweep._solve import Form, solve

Job: TypeAlias = tuple[int, int, int]
"""A part, its first point, and the one after its last."""
AHEAD = 4
"""Parts that wait for each worker."""
TRIES = 5
"""Of a part whose worker dies."""
_PATIENCE_S = 5.0
_LOOPBACK = ("localhost", "127.0.0.1")


def on_ray(packed: bytes, jobs: Sequence[Job], form: Form, address: str) -> Iterator[tuple[Job, bytes]]:
    """Each part with its results, as they come. OpenWafer must be installed on the cluster's machines.

    Diagnostics: sweep-no-ray, sweep-no-cluster, sweep-worker-lost.
    """
    ray = _connect(address)
    try:
        task = ray.remote(max_retries=TRIES)(solve)
        shared, waiting = ray.put(packed), dict[Any, Job]()
        most = AHEAD * max(int(ray.cluster_resources().get("CPU", 1)), 1)
        left = list(reversed(jobs))
        while left or waiting:
            while left and len(waiting) < most:
                job = left.pop()
                waiting[task.remote(shared, job[1], job[2], form)] = job
            for ended in ray.wait(list(waiting))[0]:
                yield waiting.pop(ended), _result(ray, ended)
    finally:
        ray.shutdown()


def _result(ray: Any, ended: Any) -> bytes:
    try:
        return ray.get(ended)
    except ray.exceptions.WorkerCrashedError:
        raise error("sweep-worker-lost", f"a part's worker died {TRIES + 1} times") from None


def _connect(address: str) -> Any:
    try:
        import ray
    except ImportError:
        help = "pip install 'openwafer[cluster]', or leave `--ray` out"
        raise error("sweep-no-ray", "Ray is not installed", help=help) from None
    found: Any = ray
    _check_reachable(found, address)
    try:
        found.init(address=address, logging_level="ERROR", log_to_driver=False)
    except (ConnectionError, ValueError, RuntimeError) as reason:
        raise _no_cluster(address, str(reason)) from None
    return found


def _check_reachable(ray: Any, address: str) -> None:
    """Ray itself waits for minutes, and takes the loopback for the address of this machine in the network."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return
    if not port.isdecimal() or int(port) > 65535:
        raise _no_cluster(address, f"`{port}` is not a port")
    hosts = [host, ray.util.get_node_ip_address()] if host in _LOOPBACK else [host]
    reasons = [_refused(host, int(port)) for host in hosts]
    if all(reasons):
        raise _no_cluster(address, str(reasons[0]))


def _refused(host: str, port: int) -> str | None:
    try:
        socket.create_connection((host, port), _PATIENCE_S).close()
    except OSError as reason:
        return reason.strerror or "no answer"
    return None


def _no_cluster(address: str, why: str) -> Exception:
    text = f"no Ray cluster at `{address}`: {why.splitlines()[0]}"
    return error("sweep-no-cluster", text, help="start one with `ray start --head`")
