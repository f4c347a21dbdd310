"""The command as a process: it serves, ends what it has when it is told to stop, and loses nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

openai = pytest.importorskip("openai", reason="needs the extra `dev`")
pytest.importorskip("uvicorn", reason="needs the extra `serve`")

import openwafer  # noqa: E402
from patience import PATIENCE_S  # noqa: E402

EXAMPLE = Path(__file__).parents[2] / "examples" / "assistant"
ASK: dict[str, Any] = {"model": "rule", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 60}


@contextmanager
def running(*args: str) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """The process and a client of it."""
    env = os.environ | {"PYTHONPATH": str(Path(openwafer.__file__).parents[1])}
    command = [
        sys.executable,
        "-c",
        "from openwafer.cli._main import main; main()",
        "serve",
        "--port=0",
        *args,
    ]
    process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := re.search(r"http://\S+/v1", line):
                break
        else:
            raise AssertionError("it did not begin")
        with openai.OpenAI(base_url=found[0], api_key="none", max_retries=0) as client:
            yield process, client
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_goes_on_is_ended(number: int) -> None:
    """An answer that is being written is written to its end; then the process ends as a signal ends it."""
    with running("--backends", str(EXAMPLE / "estimated.toml"), "--pace=2") as (process, client):
        wanted = client.chat.completions.create(**ASK, seed=1, logit_bias={"257": -100})
        stream = client.chat.completions.create(**ASK, seed=1, logit_bias={"257": -100}, stream=True)
        first = next(iter(stream))
        assert first.choices
        process.send_signal(number)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        assert text == wanted.choices[0].message.content and len(text) == 60
        assert process.wait(PATIENCE_S) == (130 if number == signal.SIGINT else 143)
        assert process.stderr is not None and "Traceback" not in process.stderr.read()


def test_a_log_of_receipts(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    with running("--backends", str(EXAMPLE / "estimated.toml"), "--pace=1e-3", "--log", str(log)) as (
        _,
        client,
    ):
        threads = [threading.Thread(target=lambda: client.chat.completions.create(**ASK)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
    lines = log.read_text("utf-8").splitlines()
    assert (
        len(lines) == 8
        and all('"backend": "h100"' in line for line in lines)
        and "Hello" not in log.read_text()
    )
