"""The example: an assistant with a tool and JSON output, and the page that shows where its requests went."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("openai", reason="needs the extra `dev`")
httpx = pytest.importorskip("httpx", reason="needs the extra `serve`")

from serve_kit import serving  # noqa: E402

import openwafer  # noqa: E402
from openwafer.serve import read_backends  # noqa: E402
from patience import PATIENCE_S  # noqa: E402

EXAMPLE = Path(__file__).parents[2] / "examples" / "assistant"


def test_the_assistant_calls_its_tool_and_answers_as_json() -> None:
    with serving(read_backends(EXAMPLE / "estimated.toml")) as served:
        done = subprocess.run(
            [sys.executable, EXAMPLE / "assistant.py", "How many PEs?", "--url", served.base_url,
             "--tier=ultrafast"],
            env=os.environ | {"PYTHONPATH": str(Path(openwafer.__file__).parents[1])},
            capture_output=True, text=True, timeout=PATIENCE_S,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        tool, answer = done.stdout.splitlines()
        assert json.loads(tool.removeprefix("tool: "))["source"]
        assert set(json.loads(answer.removeprefix("answer: "))) == {"text", "is_certain"}
        assert "from cs3 (estimated: cs3, 1 × 1 wafer), tier ultrafast" in done.stderr
        assert "h100: " in done.stderr and "cs3: taken" in done.stderr
        decisions = httpx.get(f"{served.base_url}/decisions?limit=5").json()["data"]
        assert [d["backend"] for d in decisions] == ["cs3", "cs3"]
        page = httpx.get(f"{served.url}/live")
        assert page.headers["content-type"].startswith("text/html") and "/v1/decisions" in page.text


def test_the_other_file_is_one_of_backends() -> None:
    assert {spec.name for spec in read_backends(EXAMPLE / "backends.toml")} == {"wafer", "cs3", "h100"}
