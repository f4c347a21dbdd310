"""`openwafer fleet`."""

import csv
import dataclasses
import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from openwafer.cli._errors import run_command
from openwafer.cli._main import _group
from openwafer.cli.fleet._files import write_numbers
from openwafer.diag import DiagnosticError
from openwafer.fleet import load_fleet
from openwafer.fleet.answers import Answer, answer
from openwafer.report import power_svg, sites_svg, tornado_svg, tradeoff_svg

EXAMPLES = Path(__file__).parents[2] / "examples" / "fleet"
SMALL = str(EXAMPLES / "1mw.toml")
PARTS = (
    "plan, 90% sure", "wafers only", "GPUs only", "power as IT", "By quarter", "Workloads in 2028-Q4",
    "Sites", "Orders", "300 draws", "What matters most", "Sensitivity", "integer optimum",
)  # fmt: skip


def run(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> str:
    assert run_command(_group, "openwafer", ["fleet", *args]) == code
    captured = capsys.readouterr()
    return captured.err if code else captured.out


@pytest.fixture(scope="module")
def found() -> Answer:
    return answer(load_fleet(SMALL), count=300)


def test_a_plan_as_tables_pictures_and_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out, pictures = tmp_path / "n.csv", tmp_path / "p"
    text = run(capsys, "plan", SMALL, "--draws", "300", "-o", str(out), "--pictures", str(pictures))
    for part in PARTS:
        assert part in text, part
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    total = next(row for row in rows if row["quantity"] == "usd_total")
    assert float(total["value"]) > 1e6 and total["unit"] == "USD"
    names = {path.name for path in pictures.iterdir()}
    assert names == {"power.svg", "sites.svg", "tradeoff.svg", "tornado.svg"}
    for path in pictures.iterdir():
        assert ET.parse(path).getroot().tag.endswith("svg")


def test_json_has_every_number_with_its_sources(found: Answer, tmp_path: Path) -> None:
    path = tmp_path / "n.json"
    write_numbers(str(path), found)
    document = json.loads(path.read_text("utf-8"))
    figures, facts = document["figures"], document["facts"]
    for name, figure in figures.items():
        assert figure["unit"] and figure["how"], name
        for part in figure["of"]:
            known = part in figures or part in facts or part.startswith(("estimate.", "constraint"))
            assert known, (name, part)
    assert facts["sites.oklahoma-city.price"]["source"].startswith("EIA")
    assert document["rounding"]["is_optimum"] and document["orders"][0]["by"] < "2027"
    assert figures["survival"]["value"] > 0.85


def test_parquet_is_the_same_table(found: Answer, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "n.parquet"
    write_numbers(str(path), found)
    table = parquet.read_table(path).to_pylist()
    values = {row["quantity"]: row["value"] for row in table if not row["quarter"]}
    assert values["usd_total"] == found.figures.value("usd_total")


def test_explain_by_name_and_what_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    text = run(capsys, "plan", SMALL, "--draws", "0", "--explain", "usd_per_mtok.code.2027-Q1")
    assert text.startswith("usd_per_mtok.code.2027-Q1 = ")
    assert "openwafer estimate gpt-oss-120b --on cs3" in text and "sites.oklahoma-city.lease" in text
    plan = answer(load_fleet(SMALL), count=0, is_whole=False)
    mwh = f"{plan.chosen.mwh[:, -1].sum():,.0f}"
    text = run(capsys, "plan", SMALL, "--draws", "0", "--explain", mwh)
    assert f"mwh.2028-Q4 = {mwh}" in text
    text = run(capsys, "plan", SMALL, "--draws", "0", "--explain", "worht", code=1)
    assert "fleet-no-such-number" in text


@pytest.mark.slow
def test_compare_tells_what_differs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    other = tmp_path / "dear.toml"
    other.write_text(Path(SMALL).read_text("utf-8").replace("value = 6.13", "value = 12.26"), "utf-8")
    text = run(capsys, "compare", SMALL, str(other), "--draws", "100", "--format", "json")
    document = json.loads(text)
    assert document["facts"] == [
        {"fact": "sites.oklahoma-city.price", "unit": "USD/MWh", "a": 61.3, "b": 122.6}
    ]
    total = next(row for row in document["numbers"] if row["number"] == "usd_total")
    assert total["b"] > total["a"]
    assert "Facts that differ" in run(capsys, "compare", SMALL, str(other), "--draws", "0")


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (("plan", "nowhere.toml"), "fleet-unreadable"),
        (("plan", SMALL, "-o", "x.xlsx"), "fleet-bad-output"),
        (("compare", SMALL, "nowhere.toml"), "fleet-unreadable"),
    ],
)
def test_what_cannot_be_read_or_written(
    args: tuple[str, ...], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert part in run(capsys, *args, code=1)


def test_a_wrong_file_is_told_with_its_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "f.toml"
    path.write_text(Path(SMALL).read_text("utf-8").replace("[systems.b200]", "[systems.b20]"), "utf-8")
    text = run(capsys, "plan", str(path), code=1)
    assert "system-not-found" in text and "[systems.b20]" in text and "did you mean `b200`" in text


def test_without_pyarrow_the_extra_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "openwafer[parquet]" in run(capsys, "plan", SMALL, "-o", "x.parquet", code=1)


def test_pictures_name_what_they_show(found: Answer) -> None:
    assert "cs3" in power_svg(found) and "2028-Q4" in power_svg(found)
    assert "oklahoma-city" in sites_svg(found)
    assert tradeoff_svg(found).count("<circle") == len(found.tradeoff) + 1
    assert all(bar.risk in tornado_svg(found) for bar in found.bars)


def test_cleanest_and_fastest_plans(found: Answer) -> None:
    fleet = load_fleet(SMALL)
    for what in ("carbon", "speed"):
        policies = dataclasses.replace(fleet.policies, objective=what, confidence=None)
        other = answer(dataclasses.replace(fleet, policies=policies), count=0, is_whole=False)
        cheapest = found.cases[0].account
        assert cheapest is not None
        assert other.plan.usd <= cheapest.plan.usd * 1.1001
        if what == "speed":
            assert other.chosen.speed[:, -1].sum() >= cheapest.speed[:, -1].sum()
    with pytest.raises(DiagnosticError):
        load_fleet("nowhere.toml")
