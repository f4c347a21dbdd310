"""No input makes the parser fail other than with diagnostics, and what parses is printed and parsed back."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_parser import EXPRESSIONS

from openwafer.csl.syntax._lexer import KEYWORDS, tokenize
from openwafer.csl.syntax._parser import parse
from openwafer.csl.syntax._printer import print_file
from openwafer.diag import DiagnosticError, Source

PROGRAMS = [p.read_text() for p in sorted((Path(__file__).parent / "programs").glob("*.csl"))]
PIECES = [
    *sorted(KEYWORDS),
    "(", ")", "[", "]", "{", "}", ",", ";", ":", ".", ".*", "=", "=>", "->", "|", "&", "*", "-", "!", "~",
    "<", "<<", "+", "+=", ".{", "@as(", "1", "0x1", "1.5", "'a'", '"s"', "x", "T{", "_", "//",
    "layout", "asm", "packed", "color", "\n", '"', "'", "\\", "\0", "é", "9" * 2000,
]  # fmt: skip


def check(text: str) -> bool:
    """Whether the text parses."""
    try:
        tree = parse(Source("fuzz.csl", text))
    except DiagnosticError as error:
        assert 1 <= len(error.diagnostics) <= 20
        for diagnostic in error.diagnostics:
            assert diagnostic.span is not None
            assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(text)
        return False
    printed = print_file(tree)
    assert parse(Source("printed.csl", printed)) == tree
    return True


def mutate(text: str, rng: random.Random) -> str:
    """The text with up to three tokens removed, doubled, swapped, replaced or inserted."""
    tokens = [t.text for t in tokenize(Source("m.csl", text))[0]]
    for _ in range(rng.randint(1, 3)):
        i, j = rng.randrange(len(tokens)), rng.randrange(len(tokens))
        match rng.randrange(5):
            case 0:
                tokens[i] = ""
            case 1:
                tokens[i] += " " + tokens[i]
            case 2:
                tokens[i], tokens[j] = tokens[j], tokens[i]
            case 3:
                tokens[i] = rng.choice(PIECES)
            case _:
                tokens[i] += " " + rng.choice(PIECES)
    return " ".join(tokens)


@pytest.mark.parametrize("seed", range(8))
def test_mutated_tokens(seed: int) -> None:
    rng = random.Random(seed)
    parsed = sum(check(mutate(rng.choice(PROGRAMS), rng)) for _ in range(150))
    assert parsed > 0


@pytest.mark.parametrize("seed", range(4))
def test_mutated_characters(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(150):
        text = rng.choice(PROGRAMS)
        at = rng.randrange(len(text))
        check(text[:at] + chr(rng.randrange(1, 256)) * rng.randrange(3) + text[at + rng.randrange(30) :])


@pytest.mark.parametrize("seed", range(4))
def test_token_soup(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(300):
        soup = " ".join(rng.choices(PIECES, k=rng.randrange(1, 40)))
        check(rng.choice(["", "const x = ", "fn f() void { ", "layout { x = "]) + soup)


def compose(rng: random.Random, depth: int) -> str:
    """An expression in whose operands others stand, mostly in parentheses."""
    text = rng.choice(EXPRESSIONS)
    if depth == 0:
        return text
    for name in rng.sample("abcfT", 2):
        inner = compose(rng, depth - 1)
        text = re.sub(rf"(?<![.\w]){name}\b", lambda _, e=inner: f"({e})" if rng.random() < 0.7 else e, text)
    return text


@pytest.mark.parametrize("seed", range(4))
def test_composed_expressions(seed: int) -> None:
    rng = random.Random(seed)
    frames = ("const x: {} = {};", "fn f() {} {{ {}; }}", "fn f() {} {{ switch (a) {{ 1 => {} }} }}")
    parsed = 0
    for _ in range(200):
        frame = rng.choice(frames)
        parsed += check(frame.format(rng.choice(["T", compose(rng, 1)]), compose(rng, rng.randrange(4))))
    assert parsed > 50


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_bytes(data: bytes) -> None:
    check(data.decode("latin-1"))
    check(data.decode("utf-8", "surrogateescape"))


@settings(max_examples=200)
@given(st.text(max_size=200), st.sampled_from(["", 'const x = "', "const x = '", "fn f() void { "]))
def test_text(text: str, prefix: str) -> None:
    check(prefix + text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 200_000,
        '"' * 200_000,
        "\\" * 200_000,
        "/" * 200_000,
        "#" * 200_000,
        "\n" * 200_000,
        "const x = " + "9" * 200_000 + ";",
        "const x = 1." + "9" * 200_000 + ";",
        "const x = 0x" + "f" * 200_000 + ";",
        "const x = 1e" + "9" * 200_000 + ";",
        'const x = "' + "\\x" * 100_000 + '";',
        "const x = .{" + "1," * 50_000 + "};",
        "fn f() void {" + "g(1, 2" * 20_000,
        "const x = ;\n" * 20_000,
        "fn f() void {\n" * 20_000,
    ],
    ids=lambda t: t[:20],
)
def test_large_inputs_take_bounded_time(text: str) -> None:
    start = time.process_time()
    check(text)
    assert time.process_time() - start < 60
