"""Plans' files: what they say, and what is told about wrong ones."""

import datetime

import pytest
from fleet_samples import EXAMPLES, SMALL, changed, small

from openwafer.diag import DiagnosticError, Source
from openwafer.fleet import Quarter, at_date, load_fleet, read_fleet


def test_the_small_example() -> None:
    fleet = load_fleet(str(EXAMPLES / "1mw.toml"))
    site = fleet.sites["oklahoma-city"]
    assert (str(fleet.start), fleet.quarters) == ("2027-Q1", 8)
    assert site.price.number == pytest.approx(61.3) and site.price.unit == "USD/MWh"
    assert [fact.number for _, fact in site.power] == [0.7, 1.0]
    assert fleet.systems["cs3"].kind == "wafer" and fleet.systems["b200"].kind == "gpu"
    assert fleet.systems["b200"].provision.number == pytest.approx(14.3)
    assert fleet.workloads["code"].tier == "priority" and fleet.workloads["chat"].shift == "no"
    assert fleet.end == datetime.date(2029, 1, 1)


def test_every_fact_of_the_examples_has_source_and_status() -> None:
    for name in ("1mw", "750mw"):
        for fact in load_fleet(str(EXAMPLES / f"{name}.toml")).facts.values():
            assert fact.source and fact.status and fact.unit, fact.name
            assert (fact.value is None) == (fact.status == "missing"), fact.name


def test_the_example_of_750_megawatts() -> None:
    fleet = load_fleet(str(EXAMPLES / "750mw.toml"))
    assert sum(t.power.number for t in fleet.tranches.values()) == 750
    last = fleet.end - datetime.timedelta(days=1)
    power = [at_date(site.power, last) for site in fleet.sites.values()]
    assert sum(fact.number for fact in power if fact) == pytest.approx(750, abs=1)
    undisclosed = fleet.sites["undisclosed"].power[0][1]
    assert undisclosed.value is None and undisclosed.number > 0 and undisclosed.is_assumed


def test_quarters() -> None:
    quarter = Quarter.parse("2027-Q3")
    assert quarter and str(quarter + 2) == "2028-Q1" and quarter.first_day == datetime.date(2027, 7, 1)
    assert Quarter.of(datetime.date(2027, 12, 31)) - quarter == 1
    assert Quarter.parse("2027-Q5") is None


PRICE = 'price = { value = 6.13, unit = "c/kWh"'
TRANCHE = """
[tranches.a]
power = { value = 1, unit = "MW", source = "s", status = "assumed" }
from = { value = 2027-06-01, source = "s", status = "assumed" }
until = { value = 2027-01-01, source = "s", status = "assumed" }
"""


@pytest.mark.parametrize(
    ("old", "new", "id", "at", "words"),
    [
        ("[systems.cs3]", "[systems.cs33]", "system-not-found", "[systems.cs33]", "did you mean `cs3`"),
        ('model = "gpt-oss-120b"', 'model = "gpt-9"', "model-not-found", 'model = "gpt-9"', "gpt-9"),
        ('"2027-01-01" = { value = 0.7', '"2027-01-01" = { value = -5', "fleet-out-of-range", "-5",
         "found -5"),
        ('"2027-01-01"', '"2027-02-30"', "fleet-bad-date", '"2027-02-30"', "no date"),
        ('"2027-01-01"', '"2031-01-01"', None, "", ""),
        (PRICE, 'prise = { value = 6.13, unit = "c/kWh"', "fleet-unknown-field", "prise",
         "did you mean `price`"),
        (PRICE, PRICE.replace("c/kWh", "furlong"), "fleet-wrong-unit", "furlong", "USD/MWh"),
        (PRICE, 'price = { value = "undisclosed", unit = "c/kWh"', "fleet-bad-status", "documented",
         "missing"),
        ('"EIA state prices, November 2025", status = "documented"', '"", status = "sure"',
         "fleet-bad-status", "sure", "documented"),
        ("price = {", "price = 6.13 #", "fleet-wrong-type", "price = 6.13", "source"),
        ('start = "2027-Q1"', 'start = "2027"', "fleet-bad-date", 'start = "2027"', "2026-Q1"),
        ("quarters = 8", "quarters = 8000", "fleet-out-of-range", "quarters = 8000", "80"),
        ('tier = "priority"', 'tier = "prioritty"', "fleet-bad-word", "prioritty", "did you mean"),
        ("[risks.demand]", "[riscs.demand]", "fleet-unknown-table", "[riscs.demand]", "did you mean `risks`"),
        ("[risks.demand]", TRANCHE + "[risks.demand]", "fleet-dates-contradict", "from = ", "2027-06-01"),
        ('low = { value = 0.8', 'low = { value = 1.8', "fleet-out-of-range", "low = ", "more than"),
        ('high = { value = 1.2', 'late = { value = 0.2', "fleet-missing-fact", "[risks.demand]", "`high`"),
        ('what = "demand"', "", "fleet-missing-fact", "[risks.demand]", "`what`"),
        ('name = "1mw"', 'name = "1mw', "fleet-syntax", 'name = "1mw', "TOML"),
    ],
)  # fmt: skip
def test_wrong_files(old: str, new: str, id: str | None, at: str, words: str) -> None:
    text = changed((old, new))
    if id is None:
        read_fleet(Source("fleet.toml", text))
        return
    with pytest.raises(DiagnosticError) as caught:
        read_fleet(Source("fleet.toml", text))
    found = next(d for d in caught.value.diagnostics if d.id == id)
    assert found.span is not None
    line, _ = found.span.source.position(found.span.start)
    assert at in found.span.source.line(line)
    assert words in " ".join([found.message, found.help or "", *found.notes])


def test_a_site_without_a_price() -> None:
    line = next(line for line in SMALL.splitlines() if line.startswith("price = "))
    with pytest.raises(DiagnosticError, match=r"fleet-missing-fact: `sites.oklahoma-city` has no `price`"):
        small((line, ""))


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(DiagnosticError) as caught:
        small(("[systems.cs3]", "[systems.cs33]"), ("quarters = 8", "quarters = 0"))
    assert {d.id for d in caught.value.diagnostics} == {"system-not-found", "fleet-out-of-range"}


def test_a_power_that_begins_after_the_plan() -> None:
    with pytest.raises(DiagnosticError, match="fleet-dates-contradict"):
        small(('"2027-01-01"', '"2031-01-01"'), ('"2027-10-01"', '"2032-01-01"'))


WRONG = ("3", "-1", "nan", "true", "'x'", "[]", "{}", "2027-01-01", "{ value = 1 }", "''")


def test_whatever_stands_in_a_file_is_a_plan_or_a_diagnostic() -> None:
    """Each line left out, each value replaced by each of some others."""
    lines = SMALL.splitlines()
    read = 0
    for at, line in enumerate(lines):
        key, equals, value = line.partition(" = ")
        others = [f"{key} = {other}" for other in WRONG] if equals and value else []
        for changed_line in ("", *others):
            text = "\n".join([*lines[:at], changed_line, *lines[at + 1 :]])
            try:
                read_fleet(Source("fleet.toml", text))
                read += 1
            except DiagnosticError as wrong:
                assert all(d.id and (d.span or d.notes) for d in wrong.diagnostics)
    assert read > 40
