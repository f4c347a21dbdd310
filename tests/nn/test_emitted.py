"""The emitted CSL: read back, printed the same, run by the host script, described by the plan."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `torch`")

from torch_models import Gpt, Mlp  # noqa: E402

from openwafer.csl import parse, print_file  # noqa: E402
from openwafer.diag import Source  # noqa: E402
from openwafer.nn import Wafer, compile, compile_training  # noqa: E402
from openwafer.nn.ops import OPERATORS  # noqa: E402
from openwafer.nn.run._profile import KINDS, kind_of  # noqa: E402
from patience import PATIENCE_S  # noqa: E402

pytestmark = pytest.mark.torch
IDS = torch.arange(7)[None]


def test_emitted_files_parse_and_print_the_same() -> None:
    emitted = compile(Gpt(), (IDS,), Wafer("wse3", (3, 2))).session.emitted
    for name in ("pe.csl", "layout.csl"):
        tree = parse(Source(name, emitted.files[name]))
        assert parse(Source(name, print_file(tree))) == tree
    assert {"linear.csl", "attention.csl", "collective.csl", "dsds.csl"} <= set(emitted.files)
    assert "@concat_structs" not in "".join(emitted.files.values())


def test_the_saved_directory_runs_by_itself(tmp_path: Path) -> None:
    compiled = compile(Mlp(), (torch.ones(2, 10),), Wafer("wse3", (2, 2)))
    compiled.save(tmp_path)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    compile_command = [sys.executable, "-m", "openwafer.cli.cslc", "layout.csl", "--arch=wse3", "--memcpy"]
    options = ["--fabric-dims=9,4", "--fabric-offsets=4,1", "--channels=1", "-o", "out"]
    subprocess.run(
        [*compile_command, *options], cwd=tmp_path, env=environment, check=True, timeout=PATIENCE_S
    )
    run = [sys.executable, "-m", "openwafer.cli.cs_python", "run.py", "--name", "out"]
    done = subprocess.run(
        run, cwd=tmp_path, env=environment, check=True, timeout=PATIENCE_S, capture_output=True, text=True
    )
    wanted = float(compiled(torch.zeros(2, 10))[0, 0])
    printed = [float(number) for number in re.findall(r"-?\d+\.\d*(?:e[-+]\d+)?", done.stdout)]
    assert any(number == pytest.approx(wanted, rel=1e-6) for number in printed)


def test_plan_names_tensors_and_collectives() -> None:
    compiled = compile(Gpt(), (IDS,), Wafer("wse3", (3, 2)))
    plan = compiled.plan()
    (weight,) = (t for t in plan.tensors if t.name == "block.fc.weight")
    assert weight.placement == "8/x × 32/y" and weight.local_shape == (3, 16) and weight.bytes == 192
    assert any(c.phase == "block.fc" and c.axis == "x" and c.elements == 16 * 7 for c in plan.collectives)
    assert "block.fc.weight" in str(plan) and "root at" in str(plan)


def test_profile_adds_up() -> None:
    compiled = compile(Mlp(), (torch.ones(2, 10),), Wafer("wse3", (2, 2)))
    compiled(torch.ones(2, 10))
    phases = compiled.profile()
    assert [p.name for p in phases][:2] == ["layers.0", "layers.1"]
    assert all(0 < p.least <= p.mean <= p.most for p in phases)


def test_profile_by_kind_of_work() -> None:
    model, optimizer = Mlp(), torch.optim.AdamW
    step = compile_training(
        model, torch.nn.functional.mse_loss, optimizer(model.parameters(), lr=1e-3),
        (torch.ones(2, 10), torch.zeros(2, 3)), Wafer("wse3", (2, 2)),
    )  # fmt: skip
    step(torch.ones(2, 10), torch.zeros(2, 3))
    kinds = {phase.name: phase.mean for phase in step.profile("kind")}
    assert {"linear layers", "all-reduces", "optimizer", "loss", "elementwise"} == set(kinds)
    assert list(kinds.values()) == sorted(kinds.values(), reverse=True)
    modules = sum(phase.mean for phase in step.profile())
    assert sum(kinds.values()) == pytest.approx(modules, rel=0.2)


def test_every_operator_has_a_kind() -> None:
    found = {name: kind_of(name) for name in OPERATORS}
    assert found["rms_norm_grad"] == "norms" and found["rope_tables"] == "attention"
    assert found["linear_grad_weight"] == "linear layers" and found["add"] == "elementwise"
    assert set(KINDS) <= set(found.values())
