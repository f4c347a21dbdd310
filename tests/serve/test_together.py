"""Many clients at once: each gets the answer that it would get alone. What is not installed is told."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

httpx = pytest.importorskip("httpx", reason="needs the extra `serve`")
pytest.importorskip("starlette", reason="needs the extra `serve`")

from serve_kit import GPUS, WAFERS, serving  # noqa: E402

import openwafer  # noqa: E402
from patience import PATIENCE_S  # noqa: E402

EXAMPLE = Path(__file__).parents[2] / "examples" / "assistant" / "estimated.toml"


def ask(number: int) -> dict[str, Any]:
    tier = ("default", "ultrafast", "flex")[number % 3]
    return {"model": "rule", "prompt": f"question {number}", "max_tokens": 20 + number % 7, "seed": number,
            "service_tier": tier}  # fmt: skip


def test_answers_are_not_mixed_up() -> None:
    """While backends are drained, killed and brought back."""

    async def together(url: str) -> list[str]:
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as client:

            async def one(number: int) -> str:
                found = await client.post("/v1/completions", json=ask(number))
                assert found.status_code == 200, found.text
                return found.json()["choices"][0]["text"]

            async def trouble() -> None:
                for action in ("kill", "resume", "drain", "resume") * 5:
                    await asyncio.sleep(0.01)
                    await client.post(f"/v1/backends/gpus/{action}")

            answers, _ = await asyncio.gather(asyncio.gather(*map(one, range(60))), trouble())
            return answers

    with serving([WAFERS, GPUS], factor=0.1) as served:
        together_ = asyncio.run(together(served.url))
        with httpx.Client(base_url=served.url, timeout=PATIENCE_S) as client:
            alone = [
                client.post("/v1/completions", json=ask(n)).json()["choices"][0]["text"] for n in range(60)
            ]
        assert together_ == alone and len(set(alone)) == 60
        router = served.service.router
        assert not served.service.streams and not router.running and router.waiting == 0


@pytest.mark.parametrize(
    "missing, arguments, words",
    [("starlette", ("--backends", str(EXAMPLE)), "serve-missing"),
     ("uvicorn", ("--backends", str(EXAMPLE)), "openwafer[serve]"),
     ("torch", (str(EXAMPLE.parent),), "torch-missing")],
)  # fmt: skip
def test_what_is_not_installed_is_told(missing: str, arguments: tuple[str, ...], words: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None\nfrom openwafer.cli._main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "serve", *arguments], capture_output=True, text=True, timeout=PATIENCE_S,
        env=os.environ | {"PYTHONPATH": str(Path(openwafer.__file__).parents[1])},
    )  # fmt: skip
    assert done.returncode == 1 and words in done.stderr


def test_traces_need_no_extra(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("arrived_s,prompt_tokens,completion_tokens\n0,5,5\n", "utf-8")
    names = ("starlette", "uvicorn", "httpx", "prometheus_client", "llguidance", "torch", "tokenizers")
    code = (
        f"import sys; sys.modules |= dict.fromkeys({names!r})\nfrom openwafer.cli._main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "serve", "--backends", EXAMPLE, "--offline", tmp_path / "t.csv"],
        capture_output=True, text=True, timeout=PATIENCE_S,
        env=os.environ | {"PYTHONPATH": str(Path(openwafer.__file__).parents[1])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "t.csv: 1 request," in done.stdout
