"""How many streams does the server keep up with?

    python bench/serve_load.py [--streams 1000] [--tokens-per-s 20] [--seconds 20] [--json out.json]

A server process with an estimated backend writes so many tokens a second to each of many streams, which
one client
process reads. `late` is how much later than its simulated time a token arrived, on the wall: what the
front end adds. Processor time and memory are those of the server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from openwafer.estimate import deploy

MODEL, SYSTEM, SYSTEMS = "llama-3.1-8b", "cs3", 8
BACKENDS = f"""
[[backend]]
name = "wafers"
kind = "estimated"
model = "{MODEL}"
system = "{SYSTEM}"
systems = {SYSTEMS}
slots = 512
tokens = "rule"
"""


def pace_for(streams: int, tokens_per_s: float) -> float:
    """Wall seconds a simulated second, so that a token takes as long as is asked for."""
    found = deploy(MODEL, SYSTEM, SYSTEMS)
    users = max(streams / found.replicas, 1)
    column = int(np.searchsorted(found.contexts, 512))
    return 1 / tokens_per_s / float(np.interp(users, found.users, found.token_s[:, column]))


async def read_stream(host: str, port: int, tokens: int) -> list[float]:
    """Times at which tokens came."""
    reader, writer = await asyncio.open_connection(host, port)
    body = json.dumps(
        {"model": "rule", "prompt": "a", "max_tokens": tokens, "stream": True, "ignore_eos": True,
         "service_tier": "flex"}
    ).encode()  # fmt: skip
    head = f"POST /v1/completions HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    times, ended = list[float](), False
    while not ended and (data := await reader.read(65536)):
        now = time.perf_counter()
        times += [now] * data.count(b'"finish_reason"')
        ended = b"[DONE]" in data
    writer.close()
    return times


async def load(port: int, streams: int, tokens: int) -> list[list[float]]:
    found = [asyncio.create_task(read_stream("127.0.0.1", port, tokens)) for _ in range(streams)]
    return await asyncio.gather(*found)


def lateness_s(times: list[float]) -> np.ndarray:
    """Over the line through the earliest tokens: a stream's tokens are due at equal distances."""
    at = np.array(times)
    step = np.arange(len(at))
    slope = np.median(np.diff(at[len(at) // 4 :: 20])) / 20
    late = at - slope * step
    return late - np.percentile(late, 1)


def usage_of(process: subprocess.Popen[str]) -> tuple[float, float]:
    """Processor seconds and MiB of the server. Linux only."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return seconds, pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--tokens-per-s", type=float, default=20.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    tokens = int(args.tokens_per_s * args.seconds)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "backends.toml")
        path.write_text(BACKENDS, "utf-8")
        pace = pace_for(args.streams, args.tokens_per_s)
        code = "from openwafer.cli._main import main; main()"
        command = [sys.executable, "-c", code, "serve", "--port=0", f"--backends={path}", f"--pace={pace}",
                   "--vendor-parameters", f"--max-connections={2 * args.streams}"]  # fmt: skip
        server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert server.stderr is not None
        port = next(int(m[1]) for line in server.stderr if (m := re.search(r":(\d+)/v1", line)))
        before, memory = usage_of(server)
        begun = time.perf_counter()
        times = asyncio.run(load(port, args.streams, tokens))
        wall = time.perf_counter() - begun
        after, memory_after = usage_of(server)
        server.terminate()
        server.wait()
    late = np.concatenate([lateness_s(one) for one in times if len(one) > 40]) * 1e3
    count = sum(map(len, times))
    lost = args.streams * tokens - count
    each = (after - before) / count * 1e6
    p50, p99 = np.percentile(late, (50, 99))
    print(f"{args.streams} streams: {count / wall:,.0f} tokens/s, lost {lost}, {wall:.1f} s")
    print(f"{each:.1f} µs of the server's processor a token, late {p50:.2f} ms (p50), {p99:.1f} ms (p99), "
          f"{memory:.0f} MiB before, {memory_after:.0f} after")  # fmt: skip
    if args.json is not None:
        found = {"tokens": count, "lost": lost, "wall_s": wall, "cpu_us": each, "late_ms": [p50, p99],
                 "host": platform.node(), "python": platform.python_version()}  # fmt: skip
        args.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
