"""The server: uvicorn and the paced clock in one event loop."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from openwafer.diag import error
from openwafer.serve._build import Local, make_backends
from openwafer.serve.api._keys import Keys
from openwafer.serve.api._service import Options, ServedModel, Service
from openwafer.serve.backends._file import Spec, UpstreamSpec
from openwafer.serve.core._clock import PacedClock
from openwafer.serve.router._policy import Policy
from openwafer.serve.router._router import Router

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """`factor`: wall seconds a simulated second. `most_connections` at once; others get 503."""

    host: str = "127.0.0.1"
    port: int = 8000
    factor: float = 1.0
    most_connections: int = 2000
    drain_s: float = 30.0


def require_serve() -> None:
    """Diagnostics: serve-missing."""
    from importlib.util import find_spec

    for module in ("starlette", "uvicorn", "prometheus_client", "jinja2"):
        if find_spec(module) is None:
            help = "pip install 'openwafer[serve]'"
            raise error("serve-missing", f"`{module}` is not installed", help=help)


def check_open(listen: Listen, keys: Keys) -> None:
    """Without keys only this machine is served. Diagnostics: open-to-all."""
    if keys.is_open and listen.host not in _LOOPBACK:
        text = f"`{listen.host}` can be reached by others, and there are no keys"
        raise error("open-to-all", text, help="`--keys FILE`, or `--host 127.0.0.1`")


def check_pace(specs: Sequence[Spec], factor: float) -> None:
    """Upstreams have the wall's time, so simulated seconds must be as long. Diagnostics: pace-not-one."""
    found = [spec.name for spec in specs if isinstance(spec, UpstreamSpec)]
    if found and factor != 1:
        text = f"`{found[0]}` answers in real time, and a simulated second takes {factor:g} s"
        raise error("pace-not-one", text, help="`--pace 1`, or no upstreams")


def bound(listen: Listen) -> socket.socket:
    """A socket that takes connections from now on. Diagnostics: cannot-listen."""
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((listen.host, listen.port))
        found.listen(listen.most_connections)
    except (OSError, OverflowError) as reason:
        found.close()
        raise error("cannot-listen", f"{listen.host}:{listen.port}: {reason}") from None
    return found


async def serve(
    specs: Sequence[Spec], local: Local, policy: Policy, keys: Keys, listen: Listen, options: Options, *,
    sock: socket.socket, log: IO[str] | None = None, threads: int = 1,
    ready: Callable[[Service], Any] | None = None,
) -> int | None:  # fmt: skip
    """Serves until it is told to stop (SIGINT, SIGTERM, or the service that `ready` gets); what goes on is
    ended first, unless a second signal comes. The number of the signal that came.

    Diagnostics: those of `make_backends`."""
    import uvicorn

    from openwafer.serve.api._http import Api
    from openwafer.serve.api._metrics import Metrics

    check_pace(specs, listen.factor)
    clock = PacedClock(listen.factor)
    router = Router(clock, make_backends(specs, clock, local, threads=threads), policy)
    metrics = Metrics(router)
    models = [ServedModel(local.name, local.codec)]
    service = Service(clock, router, models, options, log=log, observers=(metrics,))
    hosts = None if listen.host not in _LOOPBACK else {*_LOOPBACK, "[::1]"}
    config = uvicorn.Config(
        Api(service, keys, metrics).app(hosts), log_level="warning", access_log=False, lifespan="off",
        limit_concurrency=listen.most_connections, timeout_keep_alive=30, server_header=False, ws="none",
        timeout_graceful_shutdown=int(max(listen.drain_s, 1)),
    )  # fmt: skip

    class Server(uvicorn.Server):
        """Leaves signals to us: it would raise them in its task."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    server = Server(config)

    def stop() -> None:
        service.is_draining = True
        server.force_exit, server.should_exit = server.should_exit, True

    running = asyncio.create_task(clock.run())
    if ready is not None:
        ready(service)
    serving = asyncio.create_task(server.serve([sock]))
    service.stop = stop
    try:
        with _signals(stop) as came:
            done, _ = await asyncio.wait({running, serving}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        return came[0] if came else None
    finally:
        running.cancel()
        for backend in router.backends.values():
            if (close := getattr(backend, "close", None)) is not None:
                await close()


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[list[int]]:
    """SIGINT and SIGTERM call `stop` in the event loop; the list gets their numbers. Only in the main
    thread."""
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    loop = asyncio.get_running_loop()

    def handle(number: int, _: Any) -> None:
        came.append(number)
        loop.call_soon_threadsafe(stop)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def open_log(path: str | Path) -> IO[str]:
    """Receipts are appended, a line each as it comes. Diagnostics: log-cannot-write."""
    try:
        return Path(path).open("a", encoding="utf-8", buffering=1)
    except OSError as reason:
        raise error("log-cannot-write", f"{path}: {reason.strerror}") from None
