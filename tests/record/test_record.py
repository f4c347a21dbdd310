"""Records are whole, versioned, and outlive a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from openwafer.diag import DiagnosticError, error
from openwafer.record import VERSION, MachineMark, events, read, recording

VERSIONS = {"openwafer": "0", "numpy": np.__version__}


def test_what_was_recorded_is_read(tmp_path: Path) -> None:
    with recording(tmp_path / "r", "estimate", ["openwafer", "estimate"], VERSIONS, {"users": 4}) as record:
        record.machine("wse3", "wse3", "abc")
        record.event(step=1, loss=np.float32(0.5))
        record.event(step=2, path=Path("x"))
        record.result(rows=np.arange(3))
        record.result(points=3)
    found = read(tmp_path / "r")
    assert found.outcome == "done" and found.result == {"rows": [0, 1, 2], "points": 3}
    assert found.machine == MachineMark("wse3", "wse3", "abc") and found.options == {"users": 4}
    assert found.seconds is not None and found.versions == VERSIONS
    assert list(events(tmp_path / "r")) == [{"step": 1, "loss": 0.5}, {"step": 2, "path": "x"}]
    assert sorted(p.name for p in (tmp_path / "r").iterdir()) == ["events.jsonl", "record.json"]


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with recording(None, "run", [], {}) as record:
        record.event(a=1)
        record.result(b=2)
    assert list(tmp_path.iterdir()) == []


def test_the_outcome_names_what_ended_the_command(tmp_path: Path) -> None:
    with pytest.raises(DiagnosticError), recording(tmp_path / "a", "run", [], {}):
        raise error("deadlock", "nothing moves")
    with pytest.raises(KeyboardInterrupt), recording(tmp_path / "b", "run", [], {}):
        raise KeyboardInterrupt
    assert [read(tmp_path / name).outcome for name in "ab"] == ["deadlock", "KeyboardInterrupt"]


def test_a_record_is_never_written_over(tmp_path: Path) -> None:
    with recording(tmp_path, "run", [], {}):
        pass
    with pytest.raises(DiagnosticError, match="record-exists"), recording(tmp_path, "run", [], {}):
        pass
    assert read(tmp_path).outcome == "done"


KILLED = """
import os, sys
from openwafer.record import recording
with recording(sys.argv[1], "training", [], {}) as record:
    record.event(step=1)
    with open(sys.argv[1] + "/events.jsonl", "ab") as file:
        file.write(b'{"step": 2, "lo')
    os.kill(os.getpid(), 9)
"""


def test_a_killed_run_leaves_what_it_had(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "r")])
    assert done.returncode == -signal.SIGKILL
    assert read(tmp_path / "r").outcome == "running" and read(tmp_path / "r").result is None
    assert list(events(tmp_path / "r")) == [{"step": 1}]


@pytest.mark.parametrize(
    ("text", "id"),
    [
        (b"", "record-damaged"),
        (b"[" * 100_000, "record-damaged"),
        (b"{}", "record-damaged"),
        (json.dumps({"format": "openwafer-record", "version": VERSION + 1}).encode(), "record-version"),
        (json.dumps({"format": "openwafer-record", "version": VERSION}).encode(), "record-damaged"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: bytes, id: str) -> None:
    (tmp_path / "record.json").write_bytes(text)
    with pytest.raises(DiagnosticError, match=id):
        read(tmp_path)


def test_a_damaged_line_is_told(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_bytes(b'{"a": 1}\n{"a"\n')
    with pytest.raises(DiagnosticError, match=r"record-damaged: .*line 2"):
        list(events(tmp_path))


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(DiagnosticError, match="record-not-written"),
        recording(tmp_path / "file", "run", [], {}),
    ):
        pass
    with pytest.raises(DiagnosticError, match="record-missing"):
        read(tmp_path / "none")
    assert os.listdir(tmp_path) == ["file"]
