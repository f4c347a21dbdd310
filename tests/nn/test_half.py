"""Models stored in f16: half the bytes, sums in f32, logits near those of `transformers` in f32."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `torch`")
transformers = pytest.importorskip("transformers", reason="needs the extra `dev`")

from test_checkpoints import KINDS, MESHES, logits_of, make, prompt  # noqa: E402
from torch_models import Llama, Mlp  # noqa: E402

from openwafer.nn import Wafer, compile, compile_generation  # noqa: E402
from patience import PATIENCE_S  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
TOLERANCE = 2e-2


def made(kind: str) -> Any:
    torch.manual_seed(1)
    return make(kind).eval()


def check_logits(kind: str, shape: tuple[int, int], engine: Any, *, is_half_model: bool) -> None:
    ids, model = prompt(9), made(kind)
    wanted = logits_of(model, ids)
    dtype = None if is_half_model else "f16"
    stored = model.half() if is_half_model else model
    compiled = compile(stored, (ids,), Wafer("wse3", shape), engine=engine, dtype=dtype)
    error = (compiled(ids).logits.float() - wanted).abs().max() / wanted.abs().max()
    assert error <= TOLERANCE


@pytest.mark.parametrize("is_half_model", (True, False), ids=("float16 model", "option"))
@pytest.mark.parametrize("kind", ("llama", "qwen2", "gpt2"))
def test_logits_by_definition(kind: str, is_half_model: bool) -> None:
    check_logits(kind, (3, 2), "numpy", is_half_model=is_half_model)


@pytest.mark.slow
@pytest.mark.parametrize("shape", MESHES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_logits_on_the_wafer(kind: str, shape: tuple[int, int]) -> None:
    check_logits(kind, shape, "fast", is_half_model=True)


def test_text_on_the_wafer_with_half_the_bytes() -> None:
    torch.manual_seed(0)
    model = Llama(layers=2, kv_heads=1).eval()
    text = [1, 5, 3, 7, 2]
    generators = [
        compile_generation(model, 12, Wafer("wse3", (3, 2)), prefill=4, dtype=dtype)
        for dtype in ("f32", "f16")
    ]
    whole, half = (g.feed(text) for g in generators)
    assert abs(half - whole).max() <= TOLERANCE * abs(whole).max()
    f32, f16 = ({t.name: t for t in g.plan().tensors} for g in generators)
    tiles = [name for name, t in f32.items() if t.kind == "weight" and len(t.local_shape) == 2]
    caches = [name for name, t in f32.items() if t.kind == "cache"]
    assert len(tiles) == 15 and len(caches) == 4
    assert all(f16[name].bytes * 2 == f32[name].bytes for name in [*tiles, *caches])


def test_saved_directory_runs_by_itself(tmp_path: Path) -> None:
    torch.manual_seed(0)
    compiled = compile(Mlp().half(), (torch.ones(2, 10).half(),), Wafer("wse3", (2, 2)))
    compiled.save(tmp_path)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    cslc = [sys.executable, "-m", "openwafer.cli.cslc", "layout.csl", "--arch=wse3", "--memcpy"]
    options = ["--fabric-dims=9,4", "--fabric-offsets=4,1", "--channels=1", "-o", "out"]
    subprocess.run([*cslc, *options], cwd=tmp_path, env=environment, check=True, timeout=PATIENCE_S)
    run = [sys.executable, "-m", "openwafer.cli.cs_python", "run.py", "--name", "out"]
    done = subprocess.run(
        run, cwd=tmp_path, env=environment, check=True, timeout=PATIENCE_S, capture_output=True, text=True
    )
    wanted = float(compiled(torch.zeros(2, 10).half())[0, 0])
    printed = [float(number) for number in re.findall(r"-?\d+\.\d*(?:e[-+]\d+)?", done.stdout)]
    assert any(number == pytest.approx(wanted, rel=2**-11) for number in printed)  # f32, rounded to f16
