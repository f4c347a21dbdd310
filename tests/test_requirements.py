"""Ranges in the wheel, exact versions in `constraints.txt`, licences of both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import lock
import requirements as req

ALL = req.requirements(req.every_extra())


@pytest.mark.parametrize("text", ALL)
def test_a_requirement_is_a_range(text: str) -> None:
    """An exact version would keep OpenWafer out of an environment that needs another one."""
    operators = {specifier.operator for specifier in Requirement(text).specifier}
    assert operators == {">=", "<"}, text


def test_every_requirement_is_pinned_inside_its_range() -> None:
    assert list(lock.faults(ALL, req.pins())) == []


def test_a_pin_that_is_missing_or_outside_is_found() -> None:
    wanted = ["numpy>=2,<3", "Ray_Thing[all]>=1,<2"]
    assert list(lock.faults(wanted, {"numpy": "2.4.1", "ray-thing": "1.0"})) == []
    assert list(lock.faults(wanted, {"numpy": "3.0"})) == [
        "`numpy<3,>=2` is pinned to 3.0",
        "`Ray_Thing` is not pinned",
    ]


def test_all_that_requirements_bring_is_pinned() -> None:
    """As far as the metadata of the packages that are installed here tell."""
    from importlib import metadata

    def requires(name: str) -> list[str]:
        try:
            return metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            return []

    pins = req.pins()
    found = {name: {"requires_dist": requires(name)} for name in pins}
    for environment in req.environments():
        names = {n for n in req.reached(ALL, found, environment) if not n.startswith(lock.FOR_GPUS)}
        assert names <= set(pins), environment


def test_packages_that_another_system_needs_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = ["colors>=1; sys_platform == 'win32'", "extra-only; extra == 'x'"]
    metadata: dict[str, dict[str, Any]] = {
        "shell": {"version": "1.0+cpu", "requires_dist": needs},
        "colors": {"version": "2.0", "requires_dist": []},
    }

    def resolve(wanted: list[str], *options: str) -> list[dict[str, Any]]:
        return [{"name": Requirement(w).name, **metadata[Requirement(w).name]} for w in wanted]

    monkeypatch.setattr(lock, "resolve", resolve)
    assert lock.lock(["shell>=1"], {}) == {"shell": "1.0", "colors": "2.0"}


def test_markers_and_extras_lead_to_what_is_installed() -> None:
    found: dict[str, dict[str, Any]] = {
        "a": {"requires_dist": ["b[fast]>=1", "old; python_version < '3.12'"]},
        "b": {"requires_dist": ["c; extra == 'fast'", "d; extra == 'slow'", "a"]},
    }
    linux, *_ = req.PLATFORMS
    assert req.reached(["A"], found, req.environment(linux, "3.12")) == {"a", "b", "c"}
    assert req.reached(["A"], found, req.environment(linux, "3.11")) == {"a", "b", "c", "old"}


def test_the_licences_are_those_of_what_is_pinned() -> None:
    text = (req.ROOT / "THIRD_PARTY_LICENSES").read_text("utf-8")
    users = [extra for extra in req.every_extra() if extra != "dev"]
    pins = req.pins()
    for name in {canonicalize_name(Requirement(r).name) for r in req.requirements(users)}:
        assert f"\n{name} {pins[name]}: " in text


def test_supported_pythons_are_those_of_the_classifiers() -> None:
    prefix = "Programming Language :: Python :: "
    classified = [c.removeprefix(prefix) for c in req.project()["classifiers"] if c.startswith(prefix)]
    assert tuple(classified) == req.PYTHONS
    assert req.project()["requires-python"] == f">={req.PYTHONS[0]}"


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(req.ROOT) / "src" / "openwafer" / "py.typed").is_file()
