"""The picture of a hang: well-formed, with the PEs of the chain and the links on which wavelets stand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from openwafer.diag import DiagnosticError
from openwafer.report import hang_svg, write_hang

SVG = "{http://www.w3.org/2000/svg}"


def report(width: int = 5, height: int = 4, **changes: Any) -> dict[str, Any]:
    line = {"file": "pe.csl", "line": 7}
    chain = [
        {"kind": "command", "text": "the host waits", "pe": None, "line": None},
        {"kind": "operation", "text": "`fmovs` waits <for> room", "pe": [1, 2], "line": line},
        {"kind": "queue", "text": "queue is full", "pe": [1, 2], "line": None},
    ]
    blocked = [
        {"pe": [2, 2], "port": "WEST", "color": 3, "wavelets": 4, "full": True},
        {"pe": [1, 2], "port": "RAMP", "color": 3, "wavelets": 1, "full": False},
    ]
    made = {"cycle": 99, "width": width, "height": height, "message": "m", "chain": chain, "blocked": blocked}
    return made | changes


def texts(svg: str) -> list[str]:
    return [t.text or "" for t in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_the_picture_shows_chain_and_links() -> None:
    svg = hang_svg(report())
    root, found = ElementTree.fromstring(svg), texts(svg)
    assert "2. `fmovs` waits <for> room (pe.csl:7)" in found and "2–3" in found
    assert {"0, 1", "3, 3"} <= set(found) and "4, 0" not in found
    assert len(root.findall(f".//{SVG}line")) == 1 and len(root.findall(f".//{SVG}circle")) == 1
    titles = [t.text for t in root.iter(f"{SVG}title")]
    assert "PE (2, 2), port WEST: 4 wavelets of color 3" in titles


def test_a_whole_wafer_is_cut_to_what_is_near() -> None:
    blocked = [{"pe": [700, 900], "port": "NORTH", "color": 1, "wavelets": 1, "full": False}]
    svg = hang_svg(report(750, 994, blocked=blocked))
    assert len(ElementTree.fromstring(svg).findall(f"{SVG}g")) < 40


def test_a_hang_without_a_place() -> None:
    assert "0, 0" in texts(hang_svg(report(1, 1, chain=report()["chain"][:1], blocked=[])))


def test_files(tmp_path: Path) -> None:
    data, picture = write_hang(report(), tmp_path / "hang")
    assert json.loads(data.read_text()) == report() and picture.read_text().startswith("<svg")
    (tmp_path / "file").write_text("")
    with pytest.raises(DiagnosticError, match="report-not-written"):
        write_hang(report(), tmp_path / "file" / "below")


def test_names_of_others_leave_the_picture_well_formed() -> None:
    name = "a\x1b[31m\x00</text><script>\u202e\udcff[b].csl"
    link = {"kind": "queue", "text": name, "pe": [1, 2], "line": {"file": name, "line": 7}}
    svg = hang_svg(report(message=name, chain=[link]))
    svg.encode("utf-8")
    shown = r"a\x1b[31m\x00</text><script>\u202e\udcff[b].csl"
    assert f"1. {shown} ({shown}:7)" in texts(svg) and f"cycle 99: {shown}" in texts(svg)
    assert "script" not in {element.tag for element in ElementTree.fromstring(svg).iter()}
