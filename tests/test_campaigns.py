"""A new slice of each campaign, and the ledger."""

from __future__ import annotations

import datetime
import subprocess
import sys
from pathlib import Path

import pytest

from campaigns import _ledger as ledger
from campaigns import _runner as runner

PROBE = """
import os, resource
SHARE, LIMIT_S, MEMORY_GIB = 4, 1, 4

def check(seed):
    if seed == 1:
        return "is one"
    if seed == 2:
        os.abort()
    if seed == 3:
        raise ValueError("three")
    if seed == 5:
        while True:
            pass
    if seed == 6:
        bytearray(8 << 30)
    return None
"""


@pytest.fixture
def probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A campaign in which some seeds go wrong, each in its own way."""
    package = tmp_path / "campaigns"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "probe.py").write_text(PROBE)
    here = Path(runner.__file__).parent
    (package / "_runner.py").write_text((here / "_runner.py").read_text())
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return "probe"


def test_what_goes_wrong_is_told_by_seed(probe: str) -> None:
    outcome = runner.run(probe, range(9))
    told = {fault.seed: fault.text.split(" (")[0] for fault in outcome.faults}
    assert outcome.count == 9
    assert told == {
        1: "is one",
        2: "the process ended: SIGABRT",
        3: "ValueError: three",
        5: "the process ended: too much processor time",
        6: "MemoryError: ",
    }


def test_the_ledger_counts_each_seed_once(tmp_path: Path) -> None:
    file = tmp_path / "ledger.toml"
    file.write_text("")
    for first, count, wrong in ((0, 10, [3]), (5, 10, []), (3, 1, [])):
        faults = [runner.Fault(seed, "wrong") for seed in wrong]
        ledger.record("a", first, runner.Outcome(count, 1.25, faults), file)
    entries = ledger.read(file)
    assert entries[0].faults == (3,) and isinstance(entries[0].date, datetime.date)
    assert ledger.open_faults("a", entries[:1]) == [3]
    assert ledger.open_faults("a", entries) == []
    assert ledger.inputs("a", entries[:1]) == 9 and ledger.inputs("a", entries) == 15
    assert ledger.next_seed("a", entries) == 15 and ledger.next_seed("b", entries) == 0


@pytest.mark.parametrize("name", runner.names())
def test_a_new_slice_is_right(name: str) -> None:
    if lacks := runner.missing(name):
        pytest.skip(f"needs {', '.join(lacks)}")
    count = getattr(runner.load(name), "SLICE", runner.SLICE)
    first = ledger.next_seed(name, ledger.read())
    outcome = runner.run(name, range(first, first + count))
    assert outcome.faults == [], f"run `python tests/campaigns {name} --first {first} --count {count}`"


@pytest.mark.parametrize("name", runner.names())
def test_no_fault_is_left_open(name: str) -> None:
    assert ledger.open_faults(name, ledger.read()) == []


def test_the_page_says_what_the_ledger_says() -> None:
    command = [sys.executable, str(Path(runner.__file__).parent)]
    table = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    page = (Path(__file__).parents[1] / "docs" / "reliability.md").read_text("utf-8")
    assert table in page, "copy what `python tests/campaigns` prints into docs/reliability.md"
