"""The picture of a hang shows the links on which wavelets stand, in programs that hang."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from hung_waits import multicast, relay
from test_deadlock import stopped

from csl_kit import ENGINES
from openwafer.diag import to_json
from openwafer.report import hang_svg

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("hung", "links", "ramps"),
    [
        (relay(), {("1", "8"), ("2", "9")}, ["PE (0, 0), port RAMP", "PE (1, 0), port RAMP"]),
        (multicast(), {("1", "8"), ("2", "8")}, ["PE (0, 0), port RAMP"]),
    ],
    ids=("relay", "multicast"),
)
def test_full_links_are_arrows(hung, links, ramps, engine: str, tmp_path: Path) -> None:
    """`links` are the column of the PE to which an arrow goes, and its color; all are full."""
    root = ElementTree.fromstring(hang_svg(to_json(stopped(hung, engine, tmp_path))["data"]))
    groups = [g for g in root.iter(f"{SVG}g") if g.find(f"{SVG}title") is not None]
    arrows = [g for g in groups if g.find(f"{SVG}line") is not None]
    titles = {g: (g.findtext(f"{SVG}title") or "") for g in groups}
    assert {(titles[g].split("(")[1].split(",")[0], g.findtext(f"{SVG}text")) for g in arrows} == links
    assert all(g.find(f"{SVG}line").get("marker-end") == "url(#full)" for g in arrows)  # type: ignore[union-attr]
    assert [titles[g].split(":")[0] for g in groups if g not in arrows] == ramps
    xs = [[float(g.find(f"{SVG}line").get(k)) for k in ("x1", "x2")] for g in arrows]  # type: ignore[union-attr,arg-type]
    assert all(start < end for start, end in xs)
