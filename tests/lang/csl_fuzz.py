"""Mutated CSL programs: what the compiler must survive with a diagnostic, in bounded time and memory."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import lang_blocks as blocks

import openwafer
from openwafer.csl import CompileOptions, compile_layout
from openwafer.diag import DiagnosticError, render
from openwafer.image import build

LIMIT_S = 5.0
MEMORY_BYTES = 3 << 30
PIECES = (
    "0", "1", "2", "-1", "65535", "65536", "0xffffffffffffffffff", "1e300", "0.0", "1.5", '"s"', "true",
    "undefined", "x", "y", "u16", "i16", "u8", "f32", "f16", "bf16", "bool", "u128", "u0", "comptime_int",
    "type", "void", "anytype", "color", "anyopaque", "mem1d_dsd", "fabin_dsd", "dsr_dest", "*u16", "[*]f32",
    "[3]u16", "[0]f32", "[2, 2]bool", "fn(u16)void", "*const [2]u16", "struct { a: u16 }",
    "packed struct { a: u3 }", "union { a: u16, b: f32 }", "enum(u8) { a, b }", ".{}", ".{ 1, 2 }",
    ".{ .a = 1 }", "@zeros([3]u16)", "@constants([2]f32, 1.0)", "@as(u16, 3)", "@get_color(3)",
    "@range(u16, 3)", "@type_of(1)", "@random16()", "@get_local_task_id(9)", "@import_module",
    "@bitcast(u16, x)", '@field(x, "a")', "@map", "@load_to_dsr", "@get_dsd", "@fadds", "&", ".*", "[0]",
    "[1, 1]", "(1)", ".a", "-", "!", "~", "*", "/", "%", "<<", ">>", "==", "<", "and", "or", "=", "+=", "<<=",
    "comptime", "inline", "const", "var", "export", "extern", "return", "break", "continue", "if (x)", "else",
    "while (true)", "for (@range(u16, 3)) |i|", "switch (x)", "blk: {", "}", "{", "(", ")", "[", "]", ";",
    ",", ":", "|", "->", "=>", "align(16)",
)  # fmt: skip
_OPERANDS = tuple(
    p for p in PIECES if re.match(r"[\w@.\"&*\[-]", p) and p not in (".*", ".a", "&", "-", "@map")
)
_BINARY = ("-", "*", "/", "%", "+", "<<", ">>", "==", "!=", "<", ">", "<=", ">=", "and", "or", "&", "|", "^")
_BUILTINS = (
    "@as", "@bitcast", "@zeros", "@constants", "@get_dsd", "@fadds", "@fmovs", "@mov32", "@map", "@activate",
    "@block", "@increment_dsd_offset", "@set_dsd_length", "@get_color", "@is_same_type", "@fmacs", "@add16",
    "@load_to_dsr", "@get_dsr", "@rank", "@dimensions", "@element_type", "@has_field", "@strlen", "@range",
)  # fmt: skip
_KEYWORDS = (
    "const", "var", "param", "fn", "task", "comptime", "if", "else", "while", "for", "switch", "return",
    "break", "continue", "struct", "enum", "export", "extern", "inline", "import", "layout", "packed",
    "union", "and", "or",
)  # fmt: skip
_TOKEN = re.compile(r'\s+|//[^\n]*|"[^"\n]*"|@?\w+|[-=]>|<<|>>|[=!<>]=|.', re.S)


@dataclass(frozen=True)
class Program:
    """One thing to mutate: `files` by name, `main` the one that is mutated (a PE program or a layout)."""

    name: str
    main: str
    files: dict[str, str]
    params: dict[str, str]


@dataclass(frozen=True)
class Failure:
    """What went wrong: `kind` is where, so that equal failures can be counted; `files` are the reproducer."""

    kind: str
    detail: str
    files: dict[str, str]


class TooSlow(BaseException):
    """Not an Exception, so that nothing in the compiler catches it."""


def corpus() -> list[Program]:
    """The programs of the language reference, of the tests and of the library."""
    here = Path(__file__).parent
    programs = [p for path in sorted(here.glob("*.md")) for p in map(_of_block, blocks.read(path))]
    library = Path(openwafer.__file__).parent / "csl" / "lib"
    others = [*sorted((here.parent / "csl" / "programs").glob("*.csl")), *sorted(library.rglob("*.csl"))]
    return programs + [of_text(path.name, path.read_text()) for path in others]


def _of_block(block: blocks.Block) -> Program:
    params = dict(p.split(":") for p in block.options.get("params", "").split(",") if p)
    name = f"{block.path.name}:{block.line}"
    return Program(name, block.file, {**block.files, **block.texts()}, params)


def of_text(name: str, text: str) -> Program:
    """A module as the program of a PE that uses all its functions and variables."""
    names = re.findall(r"^(?:const|var|fn) (\w+)", text, re.M)
    uses = "\n".join(f"comptime {{ _ = {n}; }}" for n in names)
    layout = blocks.LAYOUT.format(params="")
    return Program(name, "program.csl", {"program.csl": f"{text}\n{uses}\n", "layout.csl": layout}, {})


def defaults(layout: str) -> dict[str, str]:
    """Small values for the parameters of a layout that have none."""
    names = re.findall(r"^param (\w+)\s*(?::[^;=]*)?;", layout, re.M)
    return {name: str(3 + i % 5) for i, name in enumerate(names)}


def mutated(text: str, rng: random.Random) -> str:
    """The text with one to four changes; two in three times such that most of the text still parses."""
    parts = _TOKEN.findall(text)
    change = _change_alike if rng.random() < 2 / 3 else _change_any
    for _ in range(rng.randint(1, 4)):
        solid = [i for i, p in enumerate(parts) if p.strip() and not p.startswith("//")]
        if solid:
            change(parts, solid, rng)
    return "".join(parts)


def _change_any(parts: list[str], solid: list[int], rng: random.Random) -> None:
    """Removes, doubles, swaps, replaces or inserts a token or a character."""
    i, j = rng.choice(solid), rng.choice(solid)
    match rng.randrange(8):
        case 0:
            parts[i] = ""
        case 1:
            parts[i] += " " + parts[i]
        case 2:
            parts[i], parts[j] = parts[j], parts[i]
        case 3 | 4:
            parts[i] = rng.choice(PIECES)
        case 5:
            parts[i] += " " + rng.choice(PIECES)
        case 6:
            parts[i] = parts[j]
        case _:
            at = rng.randrange(len(parts[i]) + 1)
            parts[i] = parts[i][:at] + rng.choice("0159(){}[].,;:|&*@\"'\n\0 é_aT") + parts[i][at:]


def _change_alike(parts: list[str], solid: list[int], rng: random.Random) -> None:
    """Puts a token in the place of another of its kind, an expression in the place of an operand, or moves a
    statement."""
    i = rng.choice(solid)
    if rng.random() < 0.2:
        return _move_statement(parts, rng)
    kind = _kind(parts[i])
    alike = [j for j in solid if _kind(parts[j]) == kind]
    if kind in ("name", "number") and rng.random() < 0.5:
        parts[i] = rng.choice(_OPERANDS)
    elif kind == "operator":
        parts[i] = rng.choice(_BINARY)
    elif kind == "builtin" and rng.random() < 0.5:
        parts[i] = rng.choice(_BUILTINS)
    else:
        parts[i] = parts[rng.choice(alike)]


def _kind(token: str) -> str:
    if token in _KEYWORDS:
        return token
    if token in _BINARY:
        return "operator"
    kinds = {"@": "builtin", '"': "string"}
    return kinds.get(token[0]) or (
        "number" if token[0].isdigit() else "name" if token.isidentifier() else token
    )


def _move_statement(parts: list[str], rng: random.Random) -> None:
    """Removes, doubles or moves what stands between two `;`."""
    ends = [i for i, p in enumerate(parts) if p == ";"]
    if len(ends) < 2:
        return
    i, j = rng.randrange(len(ends) - 1), rng.choice(ends)
    statement = "".join(parts[ends[i] + 1 : ends[i + 1] + 1])
    if rng.random() < 0.7:
        parts[ends[i] + 1 : ends[i + 1] + 1] = [""] * (ends[i + 1] - ends[i])
    if rng.random() < 0.7:
        parts[j] += statement


def attempt(program: Program, rng: random.Random, folder: Path) -> tuple[str, Failure | None]:
    """Compiles one mutation in an empty folder: its diagnostic's id (or `ok`), and what failed."""
    files = {**program.files, program.main: mutated(program.files[program.main], rng)}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    options = CompileOptions(arch=rng.choice(("wse2", "wse3")), params=program.params, memcpy=True)
    start = time.perf_counter()
    try:
        with time_limit(LIMIT_S):
            build(compile_layout("layout.csl", options), options.arch)
        return "ok", None
    except DiagnosticError as found:
        for diagnostic in found.diagnostics:
            render(diagnostic)
        return found.diagnostics[0].id, None
    except TooSlow:
        return "slow", Failure(f"slow: {program.name}", f"{time.perf_counter() - start:.1f} s", files)
    except Exception as problem:  # anything else is what this is about
        place = traceback.extract_tb(problem.__traceback__)[-1]
        kind = f"{type(problem).__name__} in {Path(place.filename).name}:{place.lineno} {place.name}"
        return "crash", Failure(kind, "".join(traceback.format_exception(problem, limit=-6)), files)


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises TooSlow in the code below after so many seconds of processor time."""

    def stop(*_: object) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def run(programs: Sequence[Program], seeds: range) -> tuple[dict[str, int], list[Failure]]:
    """How often each outcome came, and the failures. Changes the working directory while it runs."""
    counts: dict[str, int] = {}
    failures: list[Failure] = []
    outer = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        try:
            os.chdir(name)
            for seed in seeds:
                rng = random.Random(seed)
                outcome, failure = attempt(rng.choice(programs), rng, Path(name))
                counts[outcome] = counts.get(outcome, 0) + 1
                if failure is not None:
                    failures.append(failure)
        finally:
            os.chdir(outer)
    return counts, failures


def limit_memory() -> None:
    """Bounds the address space of this process: what needs more raises MemoryError. Not on Windows."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
