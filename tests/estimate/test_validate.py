"""The targets of the validation hold, of the shipped constants and held out."""

import pytest

from openwafer.estimate import validate
from openwafer.estimate._bands import COVERED, GROUPS, errors, factor
from openwafer.estimate._constants import constants, document
from openwafer.estimate.validation._validate import TARGETS, Group

FOUND = validate()
BY_NAME = {group.name: group for group in FOUND.groups}


@pytest.mark.parametrize("name", TARGETS)
def test_targets(name: str) -> None:
    group = BY_NAME[name]
    assert group.reached, group


MEDIANS = [name for name, (kind, _) in TARGETS.items() if kind == "median"]


@pytest.mark.parametrize("name", MEDIANS)
def test_targets_hold_held_out(name: str) -> None:
    group: Group = BY_NAME[name]
    assert group.held_out_median is not None and group.held_out_median <= TARGETS[name][1]


def test_the_anchors() -> None:
    errors = {row.case.id: row.error for row in FOUND.rows}
    for id in ("A028", "A029"):
        error = errors[id]
        assert error is not None and abs(error) < 0.25


def test_wafers_of_others_are_predicted_by_a_constant_fitted_elsewhere() -> None:
    """WaferLLM's two rows, on another wafer and by other authors."""
    rows = [row for row in FOUND.rows if row.case.id in ("A071", "A072")]
    assert len(rows) == 2 and not any(row.case.fit for row in rows)
    assert all(row.error is not None and abs(row.error) < 0.25 for row in rows)


def test_every_constant_tells_what_it_was_fitted_on() -> None:
    for table in document().values():
        for entry in table.values():
            assert set(entry) == {"value", "unit", "on", "what"} and entry["on"] and entry["what"]
    assert constants().wafer.slowdown > 1


def test_no_constant_is_for_one_row_only() -> None:
    """Each fitted table rests on more rows than it has constants, but the wafers' one, which rests on two."""
    fitted = {
        "gpu": ("time per token", "time to first token", "offline throughput"),
        "power": ("energy, GPU", "energy, wall"),
        "train": ("training throughput", "fine-tuning throughput"),
    }
    for table, groups in fitted.items():
        count = sum(1 for entry in document()[table].values() if not entry["on"].startswith("none"))
        rows = [row for row in FOUND.rows if row.case.group in groups and row.case.fit]
        assert len(rows) > 1.5 * count


@pytest.mark.parametrize("key", GROUPS)
def test_bands_cover_what_they_say(key: tuple[str, str]) -> None:
    kind, what = key
    wide = factor(kind, what)  # type: ignore[arg-type]
    found = [e for group in GROUPS[kind, what] for e in errors()[group].values()]  # type: ignore[index]
    inside = [e for e in found if 1 / wide <= 1 + e <= wide]
    assert len(inside) >= COVERED * len(found)
