"""`openwafer serve`: OpenAI's API in front of wafers and GPUs, or a trace through them."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openwafer.cli._output import say
from openwafer.cli._record import recorded
from openwafer.cli._serve_trace import run_trace
from openwafer.cli._wafer_options import SEED, Finite, wafer_options

if TYPE_CHECKING:
    from openwafer.serve import Service

_PATH = click.Path(path_type=Path)
_COUNT = click.IntRange(min=1)


@click.command()
@recorded("serving")
@click.argument("directory", metavar="[DIR]", type=_PATH, required=False)
@click.option("--backends", type=_PATH, help="A TOML file of backends; default: DIR on a simulated wafer.")
@click.option(
    "--offline",
    type=_PATH,
    metavar="TRACE",
    help="No server: a trace (CSV or JSON lines) through estimated backends, as fast as can be.",
)
@click.option("--paced", type=_PATH, metavar="TRACE", help="The same against the wall, see --pace.")
@click.option("--results", type=_PATH, help="With a trace: a CSV line a request.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True,
              help="With a trace.")  # fmt: skip
@click.option("--policy", type=_PATH, help="router.toml: classes, objective, power cap.")
@click.option("--show-policy", is_flag=True, help="Print the default policy, and end.")
@click.option("--keys", type=_PATH, help="A TOML file of clients' keys (hashed).")
@click.option("--host", default="127.0.0.1", show_default=True, help="Others than this machine need --keys.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any.")
@click.option("--name", help="The model's name for clients; default: that of DIR.")
@click.option("--chat-template", type=_PATH, help="A Jinja file, in the place of the model's own.")
@click.option("--pace", type=Finite(min=1e-6, max=1e9), default=1.0, show_default=True,
              help="Wall seconds a simulated second.")  # fmt: skip
@click.option("--context", type=_COUNT, help="Tokens of the longest text; default: as many as the model can.")
@click.option("--prefill", type=_COUNT, default=16, show_default=True, help="Tokens read at once.")
@wafer_options("8x8")
@click.option("--log", type=_PATH, help="Append a receipt a line (JSON), without prompts.")
@click.option("--max-tokens", type=_COUNT, default=4096, show_default=True, help="Of an answer, at most.")
@click.option("--max-body", type=_COUNT, default=4 * 2**20, show_default=True, help="Bytes of a request.")
@click.option("--max-connections", type=_COUNT, default=2000, show_default=True)
@click.option("--timeout", type=Finite(min=0, min_open=True), default=600.0, show_default=True,
              help="Wall seconds of an answer.")  # fmt: skip
@click.option("--vendor-parameters", is_flag=True, help="Take ignore_eos, min_tokens, top_k, …")
@click.option("--seed", type=SEED, help="Of requests without one; default: at random.")
def command(
    directory: Path | None, backends: Path | None, offline: Path | None, paced: Path | None,
    results: Path | None, form: str, policy: Path | None, show_policy: bool, keys: Path | None,
    host: str, port: int, name: str | None, chat_template: Path | None, pace: float, context: int | None,
    prefill: int, machine: str, shape: tuple[int, int], threads: int, log: Path | None, max_tokens: int,
    max_body: int, max_connections: int, timeout: float, vendor_parameters: bool, seed: int | None,
) -> None:  # fmt: skip
    """Serve the model in DIR (see `openwafer generate`) by OpenAI's API: /v1/chat/completions,
    /v1/completions, /v1/responses. Tokens are computed on the simulated wafer, unless --backends says
    otherwise."""
    from openwafer import serve as api

    if show_policy:
        return say(api.default_text(), nl=False)
    if offline is not None or paced is not None:
        if backends is None or (offline is not None and paced is not None):
            raise click.UsageError("a trace needs --backends, and is --offline or --paced")
        return run_trace(offline or paced, backends, policy, pace if offline is None else None, results, form)
    api.require_serve()
    if directory is None and backends is None:
        raise click.UsageError("give a model's DIR, or --backends")
    listen = api.Listen(host=host, port=port, factor=pace, most_connections=max_connections)
    found_keys, found_policy = api.load_keys(keys), api.load_policy(policy)
    api.check_open(listen, found_keys)
    local = api.load_local(
        directory, name=name, template=None if chat_template is None else str(chat_template)
    )
    wafer = api.WaferSpec("wafer", machine, shape, context=context, prefill=prefill)
    specs = [wafer] if backends is None else api.read_backends(backends)
    options = api.Options(
        most_bytes=max_body, most_tokens=max_tokens, answer_s=timeout, vendor=vendor_parameters, seed=seed
    )
    sock = api.bound(listen)

    def ready(service: Service) -> None:
        _tell(service, sock.getsockname()[1], host, local.name)

    running = api.serve(
        specs, local, found_policy, found_keys, listen, options, sock=sock, threads=threads, ready=ready,
        log=None if log is None else api.open_log(log),
    )  # fmt: skip
    if (number := asyncio.run(running)) is not None:
        signal.raise_signal(number)


def _tell(service: Service, port: int, host: str, name: str) -> None:
    for backend in service.router.backends.values():
        say(f"{backend.name}: {backend.kind}, {backend.system}", err=True)
    shown = f"[{host}]" if ":" in host else host
    say(f"`{name}` at http://{shown}:{port}/v1 (Ctrl-C ends it)", err=True)
