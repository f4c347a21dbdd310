"""What a diagnostic looks like."""

import io
import json
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwafer.diag import (
    Diagnostic,
    DiagnosticError,
    Label,
    Source,
    Span,
    error,
    print_diagnostics,
    render,
    to_json,
)

TEXT = "const n: i16 = 1;\nfn f() void {\n\tn = zz;\n}\n"
SOURCE = Source("pe.csl", TEXT)


def span(marked: str, source: Source = SOURCE) -> Span:
    start = source.text.index(marked)
    return Span(source, start, start + len(marked))


UNKNOWN = Diagnostic(
    "unknown-name",
    "unknown name `zz`",
    span("zz"),
    labels=(Label(span("n"[:1] + ": i16"), "a constant"),),
    notes=("first\nsecond",),
    help="did you mean `n`?",
)


def test_text_with_label_note_and_help() -> None:
    assert (
        render(UNKNOWN)
        == """\
error[unknown-name]: unknown name `zz`
 --> pe.csl:3:6
  |
1 | const n: i16 = 1;
  |       ------ a constant
...
3 |     n = zz;
  |         ^^
  |
  = note: first
          second
  = help: did you mean `n`?"""
    )


def test_without_a_place() -> None:
    diagnostic = Diagnostic("no-machine", "no machine `x`", severity="warning", help="name one")
    assert render(diagnostic) == "warning[no-machine]: no machine `x`\n = help: name one"


def test_second_file_and_two_digit_lines() -> None:
    other = Source("layout.csl", "\n" * 11 + "color c;\n")
    diagnostic = Diagnostic("color-clash", "clash", span("n"), labels=(Label(span("c;", other), "here"),))
    assert (
        render(diagnostic)
        == """\
error[color-clash]: clash
  --> pe.csl:1:3
   |
 1 | const n: i16 = 1;
   |   ^
  ::: layout.csl:12:7
   |
12 | color c;
   |       -- here"""
    )


def test_two_marks_on_one_line() -> None:
    text = render(Diagnostic("x-y", "m", span("i16"), labels=(Label(span("const"), "why"),)))
    assert text.splitlines()[3:] == [
        "1 | const n: i16 = 1;",
        "  |          ^^^",
        "  | ----- why",
    ]


def test_a_long_mark_shows_its_ends() -> None:
    source = Source("a.csl", "fn f() void {\n  a;\n  b;\n  c;\n  d;\n}\n")
    text = render(Diagnostic("x-y", "m", Span(source, 0, len(source.text) - 1)))
    assert text.splitlines()[3:] == [
        "1 | fn f() void {",
        "  | ^^^^^^^^^^^^^",
        "2 |   a;",
        "  |   ^^",
        "...",
        "6 | }",
        "  | ^",
    ]


def test_end_of_file_and_empty_file() -> None:
    end = render(Diagnostic("x-y", "m", Span(SOURCE, len(TEXT), len(TEXT))))
    assert end.splitlines()[1:] == [" --> pe.csl:5:1", "  |", "5 |", "  | ^"]
    empty = Source("e.csl", "")
    assert render(Diagnostic("x-y", "m", Span(empty, 0, 0))).splitlines()[-1] == "  | ^"


def test_a_long_line_is_cut_around_the_mark() -> None:
    source = Source("a.csl", "x" * 300 + "QQ" + "y" * 300)
    line, carets = render(Diagnostic("x-y", "m", span("QQ", source)), width=60).splitlines()[3:]
    assert len(line) <= 60 and line.count("…") == 2
    assert line[carets.index("^") : carets.rindex("^") + 1] == "QQ"


def test_wide_characters_and_control_characters() -> None:
    source = Source("a.csl", "// 漢字 \x1b[31m bad\r\n")
    text = render(Diagnostic("x-y", "m \x1b[0m", span("bad", source)))
    assert "\x1b" not in text and "\r" not in text
    assert text.splitlines()[3:] == ["1 | // 漢字 \\x1b[31m bad", "  | " + " " * 17 + "^^^"]


def test_json() -> None:
    value = json.loads(json.dumps(to_json(UNKNOWN)))
    place = {"path": "pe.csl", "start": {"line": 3, "column": 6}, "end": {"line": 3, "column": 8}}
    assert value["id"] == "unknown-name" and value["severity"] == "error" and value["span"] == place
    assert value["labels"][0]["text"] == "a constant" and value["help"] == "did you mean `n`?"
    assert to_json(Diagnostic("x-y", "m"))["span"] is None


def test_printing_without_a_terminal_is_plain() -> None:
    file = io.StringIO()
    print_diagnostics(DiagnosticError([UNKNOWN, UNKNOWN]), file)
    assert file.getvalue() == f"{render(UNKNOWN)}\n\n" * 2


def test_printing_on_a_terminal_has_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    file = io.StringIO()
    print_diagnostics(DiagnosticError([UNKNOWN]), file)
    assert "\x1b[1;31merror[unknown-name]" in file.getvalue()


@given(st.text(max_size=80), st.integers(0, 80), st.integers(0, 80), st.integers(1, 60))
def test_any_span_of_any_text_renders(text: str, start: int, length: int, width: int) -> None:
    source = Source("a.csl", text)
    start = min(start, len(text))
    diagnostic = Diagnostic("x-y", "m", Span(source, start, min(start + length, len(text))))
    assert "^" in render(diagnostic, width)


def test_a_python_traceback_shows_what_the_command_line_shows() -> None:
    failure = DiagnosticError([UNKNOWN, Diagnostic("plain", "no more to say")])
    text = "".join(traceback.format_exception_only(failure))
    for part in (
        "--> pe.csl:3:6",
        "pe.csl:1:7: a constant",
        "note: first\nsecond",
        "help: did you mean `n`?",
    ):
        assert part in text
    assert len(failure.__notes__) == 4


def test_an_error_travels_between_processes() -> None:
    failure = DiagnosticError([UNKNOWN, Diagnostic("plain", "no more to say")])
    back = pickle.loads(pickle.dumps(failure))
    assert str(back) == str(failure) and back.__notes__ == failure.__notes__
    assert [to_json(d) for d in back.diagnostics] == [to_json(d) for d in failure.diagnostics]


def test_a_traceback_shows_no_control_characters() -> None:
    failure = error("plain", "a\x1b[31mb\n\tc", notes=["\u202ed"])
    text = "".join(traceback.format_exception_only(failure))
    assert "a\\x1b[31mb\n\tc" in text and "note: \\u202ed" in text
