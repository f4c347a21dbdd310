"""Text of others in what is printed: never a control character, always valid JSON."""

from __future__ import annotations

import io
import json
import unicodedata
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwafer.diag import (
    Diagnostic,
    DiagnosticError,
    Label,
    Source,
    Span,
    encodable,
    json_text,
    print_diagnostics,
    render,
    showable,
    to_json,
    write_report,
)

NASTY = "a\x1b[2J\x07\x00\x7f\x9b\r\u202e\u2066\u200b\u2028\ud8ff\udc80\U000e0041b"
ANY = st.text(st.characters(exclude_categories=()), max_size=60)
"""Lone surrogates too, as in the names of files that are no UTF-8."""


def is_harmless(text: str) -> bool:
    return all(c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in text)


def test_what_is_not_printable_is_an_escape() -> None:
    assert showable("pe[x].csl, µ, 漢字") == "pe[x].csl, µ, 漢字"
    assert showable("\x1b[31m\n\t\u202e\udc80\U000e0041") == r"\x1b[31m\n\t\u202e\udc80\U000e0041"
    assert showable("a\tb\nc\r", keep="\n\t") == "a\tb\nc\\r"


@given(ANY)
def test_nothing_harmful_is_left(text: str) -> None:
    assert is_harmless(showable(text)) and "\n" not in showable(text)
    encodable(showable(text), "utf-8").encode("utf-8")
    assert encodable(text, "ascii").isascii()


@given(ANY, ANY, ANY)
def test_a_diagnostic_shows_nothing_harmful(path: str, text: str, words: str) -> None:
    span = Span(Source(path, text), 0, len(text))
    diagnostic = Diagnostic("x-y", words, span, labels=(Label(span, words),), notes=(words, path), help=words)
    file = io.StringIO()
    print_diagnostics(DiagnosticError([diagnostic]), file)
    assert is_harmless(render(diagnostic)) and is_harmless(file.getvalue())


@given(
    st.recursive(
        ANY | st.integers() | st.none(), lambda v: st.lists(v) | st.dictionaries(ANY, v), max_leaves=8
    )
)
def test_json_is_read_by_others(document: object) -> None:
    text = json_text(document)
    assert text.isascii() and text.isprintable()
    msgspec.json.decode(text)
    if showable(text) == text and "\\ud" not in text:
        assert json.loads(text) == document


def test_json_of_a_diagnostic_keeps_what_is_text() -> None:
    span = Span(Source("d\udcff/pe[x].csl", "a"), 0, 1)
    found = json.loads(json_text(to_json(Diagnostic("x-y", NASTY[:3] + "µ", span))))
    assert found["message"] == NASTY[:3] + "µ" and found["span"]["path"] == r"d\udcff/pe[x].csl"


def test_a_brackets_name_is_shown_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    file = io.StringIO()
    span = Span(Source("[/x]/pe[bold].csl", ":smile: [red]"), 0, 1)
    print_diagnostics(DiagnosticError([Diagnostic("x-y", "[/red] :tada:", span)]), file)
    shown = file.getvalue()
    assert "[/x]/pe[bold].csl" in shown and "[/red] :tada:" in shown and ":smile: [red]" in shown


def test_an_ascii_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, "ascii", errors="strict")
    print_diagnostics(DiagnosticError([Diagnostic("x-y", "2 × 3 µm")]), file)
    assert raw.getvalue() == b"error[x-y]: 2 \\xd7 3 \\xb5m\n\n"


def test_a_report_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "p.json", tmp_path / "missing" / "p.json", tmp_path, Path("/dev/full")):
        with pytest.raises(DiagnosticError, match="report-not-written") as failure:
            write_report(path, "{}")
        assert f"`{path}`" in str(failure.value)
    write_report(tmp_path / "p.json", "1")
    write_report(tmp_path / "p.json", "2", "a")
    assert (tmp_path / "p.json").read_text() == "12"
