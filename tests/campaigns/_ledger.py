"""The ledger of all campaigns: which seeds were run on which commit, and what they gave."""

from __future__ import annotations

import datetime
import json
import subprocess
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from campaigns._runner import Outcome

FILE = Path(__file__).parent.parent / "campaigns.toml"


@dataclass(frozen=True, slots=True)
class Entry:
    """Seeds `first` … `first + count - 1` of a campaign; `faults` are the seeds that went wrong."""

    campaign: str
    first: int
    count: int
    commit: str
    date: datetime.date
    seconds: float
    faults: tuple[int, ...] = ()

    def text(self) -> str:
        """The entry as a TOML table."""
        faults = ", ".join(map(str, self.faults))
        return (
            f"\n[[run]]\ncampaign = {json.dumps(self.campaign)}\nfirst = {self.first}\ncount = {self.count}\n"
            f"commit = {json.dumps(self.commit)}\ndate = {self.date.isoformat()}\n"
            f"seconds = {self.seconds}\nfaults = [{faults}]\n"
        )


def read(file: Path = FILE) -> list[Entry]:
    """All entries, in the order in which they were written."""
    runs = tomllib.loads(file.read_text()).get("run", [])
    return [Entry(**{**run, "faults": tuple(run["faults"])}) for run in runs]


def record(campaign: str, first: int, outcome: Outcome, file: Path = FILE) -> Entry:
    """Appends what a range of seeds gave."""
    seeds = tuple(fault.seed for fault in outcome.faults)
    today = datetime.date.today()
    entry = Entry(campaign, first, outcome.count, commit(), today, round(outcome.seconds, 1), seeds)
    with file.open("a") as ledger:
        ledger.write(entry.text())
    return entry


def next_seed(campaign: str, entries: Sequence[Entry]) -> int:
    """The first seed that no entry has."""
    return max((e.first + e.count for e in entries if e.campaign == campaign), default=0)


def commit() -> str:
    """The commit that is checked out, with `+` where files differ from it."""
    here = Path(__file__).parent
    head = ["git", "-C", str(here), "rev-parse", "--short=10", "HEAD"]
    changes = ["git", "-C", str(here), "status", "--porcelain", "--", ":/src", ":/tests/*.py"]
    name, dirty = (subprocess.run(c, capture_output=True, text=True).stdout.strip() for c in (head, changes))
    return f"{name}{'+' if dirty else ''}"


def inputs(campaign: str, entries: Sequence[Entry]) -> int:
    """Seeds that were run and found right: each counts once, by the newest entry that has it."""
    right: set[int] = set()
    for entry in (e for e in entries if e.campaign == campaign):
        seeds = range(entry.first, entry.first + entry.count)
        right |= set(seeds)
        right -= set(entry.faults)
    return len(right)


def open_faults(campaign: str, entries: Sequence[Entry]) -> list[int]:
    """Seeds that went wrong when they were run last."""
    wrong: set[int] = set()
    for entry in (e for e in entries if e.campaign == campaign):
        wrong -= set(range(entry.first, entry.first + entry.count))
        wrong |= set(entry.faults)
    return sorted(wrong)


def found_faults(campaign: str, entries: Sequence[Entry]) -> int:
    """Seeds that ever went wrong; those that are no longer open were mended."""
    return len({seed for entry in entries if entry.campaign == campaign for seed in entry.faults})
