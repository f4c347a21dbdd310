"""Sweeps: axes and their values, results that do not depend on how they were made, and what is diagnosed."""

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from openwafer.diag import DiagnosticError
from openwafer.estimate import estimate
from openwafer.estimate.sweep import _store as store
from openwafer.estimate.sweep import from_document, make_grid, parse_number, parse_values, sweep
from patience import PATIENCE_S, until

AXES: dict[str, list[Any]] = {
    "model": ["llama-3.1-8b", "gpt-oss-120b"],
    "on": ["cs3", "b200", "h100"],
    "users": [1, 8, 64, 500],
    "tokens_per_second_per_user": [0, 100, 5000],
    "precision": ["f16", "fp8"],
}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_combination_as_an_estimate_alone(tmp_path: Path) -> None:
    found = rows(sweep(AXES, tmp_path / "all.csv", workers=1))
    assert len(found) == 2 * 3 * 4 * 3 * 2
    assert {row["outcome"] for row in found} == {"ok", "too slow", "no such precision"}
    for row in found[::7]:
        if row["outcome"] == "ok":
            alone = estimate(
                row["model"], [row["on"]], users=float(row["users"]), precision=row["precision"],  # type: ignore[arg-type]
                tokens_per_second_per_user=float(row["tokens_per_second_per_user"]),
            )[0]  # fmt: skip
            assert float(row["tokens_per_s"]) == pytest.approx(alone.tokens_per_s.value, rel=1e-12)
            assert float(row["joules_per_token_low"]) == pytest.approx(alone.joules_per_token.low, rel=1e-12)


def test_configs_and_systems_vary(tmp_path: Path) -> None:
    axes: dict[str, list[Any]] = {
        "model": ["llama-3.1-8b"],
        "on": ["b200"],
        "config.num_hidden_layers": [16, 32],
        "system.chip.memory_tb_per_s": [4.0, 8.0],
    }
    found = rows(sweep(axes, tmp_path / "v.csv", workers=1))
    speed = [float(row["tokens_per_s_per_user"]) for row in found]
    assert speed[0] < speed[1] and speed[2] < speed[3] and speed[0] > speed[2]
    assert 1.5 < speed[0] / speed[2] < 2.1


def test_wafers_vary_and_so_do_their_pes(tmp_path: Path) -> None:
    axes: dict[str, list[Any]] = {
        "model": ["llama-3.1-8b"],
        "on": ["cs3"],
        "system.fabric.hop_cycles": [1, 4],
        "system.wafers.usable_sram": [0.3, 0.95],
    }
    found = rows(sweep(axes, tmp_path / "v.csv", workers=1))
    speed = [float(row["tokens_per_s_per_user"]) for row in found]
    assert speed[1] > speed[3] and [row["systems"] for row in found[:2]] == ["2", "1"]


def test_parts_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sweep(AXES, tmp_path / "whole.csv", workers=1).read_bytes()
    monkeypatch.setattr(store, "POINTS", 17)
    assert sweep(AXES, tmp_path / "parts.csv", workers=2).read_bytes() == whole


def test_parquet_holds_what_csv_holds(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(sweep(AXES, tmp_path / "all.parquet", workers=1)).to_pylist()
    text = rows(sweep(AXES, tmp_path / "all.csv", workers=1))
    assert len(table) == len(text)
    for one, other in zip(table, text, strict=True):
        assert [("" if v is None else str(v)) for v in one.values()] == list(other.values())


KILLED = """
import os, signal, sys
from openwafer.estimate.sweep import _store, sweep
_store.POINTS = 10
axes, out = eval(sys.argv[1]), sys.argv[2]
def progress(done, total):
    if done >= 50:
        os.kill(os.getpid(), signal.SIGKILL)
if __name__ == "__main__":
    sweep(axes, out, workers=2, progress=progress)
"""


def test_a_killed_sweep_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "POINTS", 10)
    whole = sweep(AXES, tmp_path / "whole.csv", workers=1).read_bytes()
    script, out = tmp_path / "killed.py", tmp_path / "killed.csv"
    script.write_text(KILLED, "utf-8")
    ended = subprocess.run([sys.executable, str(script), repr(AXES), str(out)], timeout=PATIENCE_S)
    assert ended.returncode == -signal.SIGKILL and not out.exists()
    parts = sorted((tmp_path / "killed.csv.parts").glob("*.csv"))
    before = {part.name: part.stat().st_mtime_ns for part in parts}
    assert 5 <= len(parts) < 14
    seen: list[int] = []
    resumed = sweep(AXES, out, workers=1, progress=lambda done, total: seen.append(done))
    assert seen[0] == 10 * len(before) and resumed.read_bytes() == whole
    assert not (tmp_path / "killed.csv.parts").exists()


@pytest.mark.slow
def test_a_ray_cluster_gives_the_same_and_survives_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers on this machine's loopback; one of them is killed in the middle."""
    pytest.importorskip("ray")
    monkeypatch.setattr(store, "POINTS", 4)
    whole = sweep(AXES, tmp_path / "whole.csv", workers=1).read_bytes()
    for kill in ("none", "kill"):
        out = tmp_path / f"{kill}.csv"
        told = json.loads(ray_sweep(out, kill).splitlines()[-1])
        assert told["workers"] >= 2 and told["killed"] == (kill == "kill")
        assert out.read_bytes() == whole


def ray_sweep(out: Path, kill: str) -> str:
    """What the script prints; nothing of its process group is left after it."""
    script = Path(__file__).parent / "ray_sweep.py"
    settings = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(script), repr(AXES), str(out), kill], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | settings, start_new_session=True,
    )  # fmt: skip
    try:
        printed, wrong = child.communicate(timeout=PATIENCE_S)
        assert child.returncode == 0, wrong
        return printed
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:x", "127.0.0.1:99999"])
def test_no_cluster(address: str, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    with pytest.raises(DiagnosticError) as failure:
        sweep(GOOD, tmp_path / "r.csv", ray=address)
    assert failure.value.diagnostics[0].id == "sweep-no-cluster"


def test_numbers_and_ranges() -> None:
    assert [parse_number(t) for t in ("8k", "2T", "1.1e9", ".5", "x")] == [
        8000,
        2 * 10**12,
        11 * 10**8,
        0.5,
        None,
    ]
    assert parse_values("users", "1:16:*2,100") == [1, 2, 4, 8, 16, 100]
    assert parse_values("input", "1:3") == [1, 2, 3]
    assert parse_values("accepted", "0.5:0.9:0.2") == pytest.approx([0.5, 0.7, 0.9])
    assert parse_values("on", "cs3,b200") == ["cs3", "b200"]


def test_a_document() -> None:
    found = from_document(
        {
            "model": "llama-3.1-8b",
            "on": ["cs3", "b200"],
            "users": [1, {"from": 10, "to": 1000, "times": 10}, "5:6"],
            "config": {"hidden_size": [4096]},
            "system": {"chip": {"memory_gb": {"from": 96, "to": 192, "step": 96}}, "link.gb_per_s": 900},
        }
    )
    assert found["users"] == [1, 10, 100, 1000, 5, 6]
    assert found["system.chip.memory_gb"] == [96, 192] and found["system.link.gb_per_s"] == [900]
    assert found["config.hidden_size"] == [4096] and found["model"] == ["llama-3.1-8b"]


GOOD: dict[str, Any] = {"model": ["llama-3.1-8b"], "on": ["b200"]}
WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "axis": (GOOD | {"user": [1]}, "sweep-unknown-axis", "`users`"),
    "no model": ({"on": ["cs3"]}, "sweep-missing-axis", "`model`"),
    "nothing": (GOOD | {"users": []}, "sweep-empty-axis", "`users`"),
    "word": (GOOD | {"users": ["many"]}, "sweep-bad-value", "many"),
    "number": (GOOD | {"on": [3]}, "sweep-bad-value", "words"),
    "precision": (GOOD | {"precision": ["fp9"]}, "sweep-bad-value", "`fp4`"),
    "traffic": (GOOD | {"users": [0]}, "traffic-out-of-range", "`users`"),
    "model": (GOOD | {"model": ["llama-3.1-7b"]}, "model-not-found", "llama-3.1-"),
    "system": (GOOD | {"on": ["b20"]}, "system-not-found", "`b200`"),
    "field": (GOOD | {"config.hiden_size": [1]}, "sweep-unknown-field", "`hidden_size`"),
    "config": (GOOD | {"config.num_key_value_heads": [3]}, "config-bad-field", "share 3 KV heads"),
    "fact": (GOOD | {"system.chip.memory_g": [1]}, "machine-unknown-fact", "`chip.memory_gb`"),
    "range": (GOOD | {"system.chip.memory_gb": [-1]}, "machine-out-of-range", "-1"),
    "whole": (GOOD | {"system.link.chips": [1.5]}, "machine-wrong-type", "1.5"),
    "huge": (GOOD | {"system.chip.memory_gb": [10**400]}, "sweep-bad-value", "1e+300"),
    "endless": (GOOD | {"config.vocab_size": [float("inf")]}, "sweep-bad-value", "inf"),
    "large": (GOOD | {"users": range(1, 40_000), "input": range(1, 40_000)}, "sweep-too-large", "points"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_axes(name: str) -> None:
    axes, id, part = WRONG[name]
    with pytest.raises(DiagnosticError) as failure:
        make_grid(axes)
    (diagnostic,) = failure.value.diagnostics
    assert diagnostic.id == id and part in f"{diagnostic.message} {diagnostic.help}"


@pytest.mark.parametrize("text", ["9:1", "1:10:0", "0:8:*2", "1:8:*1", "1:b", "1:100000000"])
def test_wrong_ranges(text: str) -> None:
    with pytest.raises(DiagnosticError) as failure:
        parse_values("users", text)
    assert failure.value.diagnostics[0].id == "sweep-bad-range"


@pytest.mark.parametrize(
    "entry", [{"from": 1}, {"from": 1, "to": 2, "by": 1}, {"from": 1, "to": 2, "step": 1, "times": 2}]
)
def test_wrong_ranges_of_a_file(entry: dict[str, int]) -> None:
    with pytest.raises(DiagnosticError) as failure:
        from_document({"users": entry})
    assert failure.value.diagnostics[0].id == "sweep-bad-range"


def test_more_values_than_memory_is_for() -> None:
    for document in ({"users": ["1:900000"] * 5}, {"users": ",".join(["1:900000"] * 5)},
                     {"system": {f"a{i}": "1:900000" for i in range(5)}}):  # fmt: skip
        with pytest.raises(DiagnosticError) as failure:
            from_document(document)
        assert failure.value.diagnostics[0].id == "sweep-bad-range"


def test_wrong_outputs(tmp_path: Path) -> None:
    def id_of(out: Path, axes: dict[str, Any] = GOOD, **given: Any) -> str:
        with pytest.raises(DiagnosticError) as failure:
            sweep(axes, out, workers=1, **given)
        return failure.value.diagnostics[0].id

    assert id_of(tmp_path / "r.txt") == "sweep-bad-output"
    out = sweep(GOOD, tmp_path / "r.csv", workers=1)
    assert id_of(out) == "sweep-output-exists"
    assert sweep(GOOD | {"users": [2, 3]}, out, workers=1, overwrite=True).read_text("utf-8").count("\n") == 3
    parts = tmp_path / "s.csv.parts"
    parts.mkdir()
    (parts / "manifest.json").write_text("{}", "utf-8")
    assert id_of(tmp_path / "s.csv") == "sweep-parts-of-another"
    (tmp_path / "file").write_text("", "utf-8")
    assert id_of(tmp_path / "file" / "t.csv") == "sweep-cannot-write"


def test_a_worker_does_not_outlive_its_parent(tmp_path: Path) -> None:
    """After SIGKILL nothing of the sweep's process group is left."""
    script = tmp_path / "killed.py"
    script.write_text(KILLED, "utf-8")
    child = subprocess.Popen(
        [sys.executable, str(script), repr(AXES), str(tmp_path / "k.csv")], start_new_session=True
    )
    assert child.wait(timeout=PATIENCE_S) == -signal.SIGKILL
    if not until(lambda: not is_there(child.pid)):
        os.killpg(child.pid, signal.SIGKILL)
        pytest.fail("a worker was left")


def is_there(group: int) -> bool:
    """Whether a process group has a process."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
