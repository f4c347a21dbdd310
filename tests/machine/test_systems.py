"""Systems as data: what the files say, what a user's own may say, and what is diagnosed."""

import re
from pathlib import Path

import pytest

from openwafer.diag import DiagnosticError
from openwafer.machine import STATUSES
from openwafer.machine.systems import (
    ALIASES,
    SYSTEMS,
    GpuSystem,
    WaferSystem,
    load_system,
    published_rows,
)

IDS = {row["id"] for row in published_rows()}
GPUS = [name for name in SYSTEMS if isinstance(load_system(name), GpuSystem)]


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_number_has_unit_source_and_status(name: str) -> None:
    for fact in load_system(name).by_name.values():
        assert fact.unit and fact.source and fact.status in STATUSES
        assert fact.status == "assumed" or fact.source != "no source"


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_rows_that_sources_name_exist(name: str) -> None:
    for fact in load_system(name).by_name.values():
        if "published.csv" in fact.source:
            named = re.findall(r"\b[A-E]\d{3}\b", fact.source)
            assert named and set(named) <= IDS


def test_aliases_name_systems() -> None:
    assert set(ALIASES.values()) <= set(SYSTEMS)
    assert load_system("DGX-B200") is load_system("b200")


@pytest.mark.parametrize("name", GPUS)
def test_peaks_are_dense_and_double_with_each_halving(name: str) -> None:
    """Data sheets print sparse peaks, twice the dense ones; FP4 alone may have grown more."""
    system = load_system(name)
    assert isinstance(system, GpuSystem)
    half, eight = system.peak_flop_per_s("f16"), system.peak_flop_per_s("fp8")
    assert half is not None
    if eight is not None:
        assert eight / half == pytest.approx(2, rel=0.01)
    four = system.peak_flop_per_s("fp4")
    assert four is None or (eight is not None and four / eight >= 1.99)


def test_dense_peaks() -> None:
    h100, b200, mi300x = (load_system(name) for name in ("h100", "b200", "mi300x"))
    assert h100.peak_flop_per_s("f16") == 989e12
    assert h100.peak_flop_per_s("fp4") is None
    assert b200.peak_flop_per_s("fp4") == 9000e12
    assert mi300x.peak_flop_per_s("f16") == 1307e12
    assert load_system("a100").peak_flop_per_s("fp8") is None


def test_the_wafers_peak_is_not_the_sparse_one_of_the_label() -> None:
    for name, label in (("cs3", 125e15), ("cs4", 250e15)):
        system = load_system(name)
        peak = system.peak_flop_per_s("f16")
        assert peak is not None and label / 8.5 < peak < label / 7.5
    assert load_system("cs3").peak_flop_per_s("fp8") is None


def test_wafer_systems() -> None:
    cs3, cs4 = load_system("cs3"), load_system("cs4")
    assert isinstance(cs3, WaferSystem) and isinstance(cs4, WaferSystem)
    assert cs3.io_bytes_per_s == 150e9
    assert cs3.wafer_to_wafer_s == pytest.approx(5e-6)
    assert cs4.wafers.per_system == 3
    assert cs4.wafer_to_wafer_s == pytest.approx(2e-6)
    assert cs3.idle_w < cs3.busy_w < cs3.max_w
    assert cs4.by_name["power.usual_w"].status == "assumed"
    assert 40e9 < cs3.usable_bytes < 44e9


def test_gpu_power_is_it_power() -> None:
    """The analyst's all-in number a chip contains the building; a server's maximum does not."""
    for name in GPUS:
        system = load_system(name)
        assert isinstance(system, GpuSystem)
        chips = system.chip.power_max_w * system.server.chips
        assert chips < system.max_w < 2.2 * chips
        if system.server.facility_w_per_chip:
            assert system.server.facility_w_per_chip > system.max_w / system.server.chips


OWN = """
base = "h100"
name = "mine"
[chip]
memory_gb = { value = 96, unit = "GB", source = "mine", status = "assumed" }
"""


def test_a_users_own_builds_on_a_system(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(OWN, "utf-8")
    system = load_system(str(path))
    assert isinstance(system, GpuSystem)
    assert (system.name, system.chip.memory_gb, system.chip.power_max_w) == ("mine", 96, 700)


WAFER = """
base = "cs3"
name = "bigger"
wafer = "mine.toml"
[wafers]
per_system = { value = 2, unit = "wafers", source = "mine", status = "assumed" }
"""


def test_a_users_own_wafer_system_names_a_machine_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('base = "wse3"\nname = "mine"\n', "utf-8")
    path = tmp_path / "bigger.toml"
    path.write_text(WAFER, "utf-8")
    system = load_system(str(path))
    assert isinstance(system, WaferSystem)
    assert system.machine.name == "mine" and system.wafers.per_system == 2


WRONG = {
    "unit": (OWN.replace('unit = "GB"', 'unit = "GiB"'), "machine-wrong-unit"),
    "table": (OWN.replace("[chip]", "[chp]"), "machine-unknown-table"),
    "fact": (OWN.replace("memory_gb", "memory"), "machine-unknown-fact"),
    "range": (OWN.replace("96", "-1"), "machine-out-of-range"),
    "base": (OWN.replace('"h100"', '"h1000"'), "system-unknown-base"),
    "kind": (OWN.replace('base = "h100"', 'kind = "tpu"'), "system-bad-kind"),
    "no kind": (OWN.replace('base = "h100"', ""), "system-bad-kind"),
    "other kind": (OWN.replace("\nbase", '\nkind = "wafer"\nbase'), "system-bad-kind"),
    "missing": (OWN.replace('base = "h100"', 'kind = "gpu"'), "machine-missing-fact"),
    "no wafer": ('kind = "wafer"\n', "system-bad-wafer"),
    "wrong wafer": ('base = "cs3"\nwafer = "wse9"\n', "system-bad-wafer"),
    "clash": (
        'base = "h100"\n[chip]\npower_idle_w = { value = 800, unit = "W", source = "m", status = "assumed" }',
        "machine-inconsistent",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_files(name: str, tmp_path: Path) -> None:
    text, id = WRONG[name]
    path = tmp_path / "wrong.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(DiagnosticError) as failure:
        load_system(str(path))
    assert id in [d.id for d in failure.value.diagnostics]


def test_an_unknown_name_is_told_with_a_suggestion() -> None:
    with pytest.raises(DiagnosticError) as failure:
        load_system("b20")
    (diagnostic,) = failure.value.diagnostics
    assert diagnostic.id == "system-not-found" and diagnostic.help and "b200" in diagnostic.help
