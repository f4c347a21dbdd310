"""Text to tree, tree to text; where syntax errors point and what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from openwafer.csl.syntax import _ast as ast
from openwafer.csl.syntax._parser import parse
from openwafer.csl.syntax._printer import print_expr, print_file
from openwafer.diag import Diagnostic, DiagnosticError, Source

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.csl"))


def tree(text: str) -> ast.File:
    return parse(Source("t.csl", text))


def expression(text: str) -> ast.Expr:
    (declaration,) = tree(f"const x = {text};").declarations
    assert isinstance(declaration, ast.VarDecl) and declaration.value is not None
    return declaration.value


def statement(text: str) -> ast.Stmt:
    (declaration,) = tree(f"fn f() void {{ {text} }}").declarations
    assert isinstance(declaration, ast.FnDecl) and declaration.body is not None
    return declaration.body.statements[0]


def errors(text: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(DiagnosticError) as info:
        tree(text)
    return info.value.diagnostics


def check_round_trip(text: str) -> str:
    before = tree(text)
    printed = print_file(before)
    assert tree(printed) == before
    assert print_file(tree(printed)) == printed
    return printed


# --- round trips ---


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_programs(path: Path) -> None:
    check_round_trip(path.read_text())


DECLARATIONS = [
    "param p;",
    "param p: u16 = 4;",
    "color c;",
    "color c, d;",
    "const c = 1;",
    "var v: [*]const f32;",
    'var v: u16 align(4) linksection(".s") linkname("n") = 1;',
    "const v align(64) = 1;",
    "export var v: i16;",
    "extern const v: *T;",
    "comptime const v = 1;",
    "fn f() void {}",
    "inline fn f(comptime T: type, x: anytype) [2]T {}",
    "export fn f(n: i16) *const fn(i16) f32 {}",
    "extern fn f(*f16, [*]f16) f16;",
    'fn f() void linkname("g") {}',
    "task t(data: f16) void {}",
    "task t() {}",
    "extern task t() void;",
    "fn f() pair(u16, i16) {}",
    "fn f() struct { a: u16 } {}",
    "comptime {}",
    "layout {}",
]


@pytest.mark.parametrize("text", DECLARATIONS)
def test_declarations(text: str) -> None:
    assert check_round_trip(text) == text + "\n"


EXPRESSIONS = [
    "-1",
    "!a",
    "~-a",
    "&a[0]",
    "&(&a)",
    "a.b.*.c[1, 2](3)(4)",
    "a + b * c - d % e",
    "(a + b) * c",
    "a - (b - c)",
    "a << 1 << 2",
    "(a << 1) | (b >> 2)",
    "(a & b) ^ c",
    "a == b and c < d and !e",
    "(a and b) or c",
    "(a == b) == c",
    "(a.b.*)[i]",
    "a.*[1]",
    "-(a + b)",
    "(-a).b",
    '"a\\n\\"\\x01é\\xff"',
    "'a'",
    "0xff_00",
    "1.5e-3",
    "true",
    "@zeros([10, N]f32)",
    "@is_arch(\"wse3\")",
    ".{}",
    ".{ 1, .{ 2 } }",
    ".{ .a = 1, .b = .{ .c = {} } }",
    "[3]i16{ 1, 2, 3 }",
    "T{ .a = 1 }",
    "mod.T{ .a = 1 }.a",
    "pair(i32, u16){ .first = 1 }",
    "T{}",
    "[2]*T{ &a, &b }",
    "*[4]u16",
    "[*]const [4, 2]f16",
    "**T",
    "fn(i16, [*]f16) void",
    "*const task() void",
    "(fn() void).x",
    "enum(u16) { A, B = 2 }",
    "enum { A }",
    "struct {}",
    "packed struct { a: u8, b: u8 = 1 }",
    "extern union { i: i32, f: f32 }",
    "if (a) 1 else 2",
    "if (a) 1 else if (b) 2 else 3",
    "if (a) (if (b) 1) else 2",
    "if (a) .{ 1 } else T{ 2 }",
    "if (a) {} else {}",
    "(if (a) 1 else 2) + 3",
    "(if (a) f else g)(1)",
    "comptime a + b",
    "(comptime a) + b",
    "|i|{N} -> a[i]",
    "|i, j|{M, N} -> m.a.*[i, j * 2 + 1]",
    "|i|{4} -> a[0][i]",
    "-(switch (a) {})",
    "layout.color.packed.asm",
]  # fmt: skip


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_expressions(text: str) -> None:
    tidy = {"(a.b.*)[i]": "a.b.*[i]"}
    assert print_expr(expression(text)) == tidy.get(text, text)
    check_round_trip(f"const x = {text};")


STATEMENTS = [
    "{}",
    "l: {}",
    "const a = 1;",
    "comptime var a: u16 = 1;",
    "a = 1;",
    "_ = f();",
    *(f"a.* {op}= 1;" for op in ("+", "-", "*", "/", "%", "<<", ">>", "&", "|", "^")),
    "f();",
    "(if (a) b else c).d();",
    "(switch (a) {});",
    "({});",
    "if (a) f();",
    "if (a) f() else g();",
    "if (a) b = 1 else c = 2;",
    "if (a) {} else f();",
    "if (a) if (b) f() else g();",
    "if (a) f() else if (b) g() else {}",
    "while (a) {}",
    "while (a) : (i += 1) f();",
    "while (a) : (f()) {}",
    "l: inline while (a) {}",
    "for (a) |x| {}",
    "for (a, 3) |_, i| f(i);",
    "l: for (a) |*x| x.* = 1;",
    "inline for (@range(u16, 4)) |x| {}",
    "return;",
    "return a;",
    "return {};",
    "break;",
    "break :l;",
    "break :l a + 1;",
    "continue;",
    "continue :l;",
    "comptime {}",
    "comptime f();",
    "switch (a) {}",
]


@pytest.mark.parametrize("text", STATEMENTS)
def test_statements(text: str) -> None:
    assert check_round_trip(f"fn f() void {{ {text} }}") == f"fn f() void {{\n  {text}\n}}\n"


ARMS = [
    "1 => f()",
    "1, 2 => a = 1",
    "A.b => return",
    "'a' => break :l 1",
    "else => {}",
    "1 => l: {}",
    "1 => |x| f(x)",
    "1 => if (a) b = 1",
    "1 => switch (b) {}",
    "1 => (if (a) 1 else 2)",
    "1 => ({})",
    "1 => (|i|{1} -> a[i])",
    "1 => comptime f()",
]


@pytest.mark.parametrize("text", ARMS)
def test_switch_arms(text: str) -> None:
    printed = check_round_trip(f"fn f() void {{ switch (s) {{ {text}, else => 0 }} }}")
    assert f"\n    {text},\n    else => 0,\n  }}\n" in printed


@pytest.mark.parametrize("text", [*(a for a in ARMS if "if" not in a), "1 => if (a) 1 else 2"])
def test_arms_of_a_switch_with_a_value(text: str) -> None:
    check_round_trip(f"const x = switch (s) {{ {text}, else => 0 }};")


def test_long_lines_are_broken() -> None:
    fields = ", ".join(f".field_number_{i} = value_{i}" for i in range(6))
    long_sum = " + ".join(f"some_long_name_{i}" for i in range(12))
    text = f"""
        const a = @get_dsd(mem1d_dsd, .{{ {fields} }});
        const b = f({long_sum}, if (c) .{{ {fields} }} else .{{}});
        fn f({", ".join(f"parameter_{i}: [*]const f32" for i in range(5))}) void {{}}
    """
    printed = check_round_trip(text)
    assert max(map(len, printed.splitlines())) <= 100
    assert "const a = @get_dsd(mem1d_dsd, .{\n  .field_number_0 = value_0,\n" in printed


def test_groups_of_declarations_are_set_apart() -> None:
    printed = check_round_trip("param a; param b; var c = 1; const d = 2; fn f() void {} fn g() void {}")
    assert printed == ("param a;\nparam b;\n\nvar c = 1;\nconst d = 2;\n\nfn f() void {}\n\nfn g() void {}\n")


def test_an_else_stays_with_its_if() -> None:
    inner = statement("if (b) f();")
    outer = statement("if (a) {} else g();")
    assert isinstance(outer, ast.If)
    built = ast.If(outer.condition, inner, outer.otherwise, span=outer.span)
    body = ast.Block((built,), span=outer.span)
    printed = print_file(ast.File((ast.LayoutBlock(body, span=body.span),), span=body.span))
    assert printed == "layout {\n  if (a) {\n    if (b) f();\n  } else g();\n}\n"


# --- what the trees are ---


def test_precedence() -> None:
    assert expression("a or b and c == d | e << f + g * -h") == expression(
        "(a or (b and (c == (d | (e << (f + (g * (-h))))))))"
    )
    assert expression("a - b - c") == expression("(a - b) - c")
    assert expression("a & b | c ^ d") == expression("((a & b) | c) ^ d")
    assert expression("-a.b[0]") == expression("-(a.b[0])")


def test_else_belongs_to_the_nearest_if() -> None:
    outer = statement("if (a) if (b) f() else g();")
    assert isinstance(outer, ast.If) and outer.otherwise is None


def test_an_if_in_a_statement_switch_is_a_statement_and_elsewhere_a_value() -> None:
    switch = statement("switch (a) { 1 => if (b) 1 else 2 }")
    assert isinstance(switch, ast.Switch) and isinstance(switch.arms[0].body, ast.If)
    value = expression("switch (a) { 1 => if (b) 1 else 2 }")
    assert isinstance(value, ast.Switch) and isinstance(value.arms[0].body, ast.IfExpr)


def test_the_bodies_of_switch_arms() -> None:
    switch = statement("switch (a) { 1 => {}, 2 => f(), 3 => x = 1, else => |v| l: {} }")
    assert isinstance(switch, ast.Switch)
    bodies = [type(arm.body) for arm in switch.arms]
    assert bodies == [ast.Block, ast.Call, ast.Assign, ast.Block]
    assert switch.arms[-1].patterns == () and switch.arms[-1].capture == "v"


def test_empty_braces() -> None:
    assert isinstance(expression("{}"), ast.BlockExpr)
    assert isinstance(expression(".{}"), ast.TupleLit)
    assert isinstance(expression("T{}"), ast.TupleLit)


def test_spans_cover_the_text() -> None:
    text = "const x = f(a, 1 + 2).b;"
    value = expression(text[10:-1])
    assert isinstance(value, ast.Field) and isinstance(value.base, ast.Call)
    spans = [value.span, value.base.span, value.base.args[1].span]
    assert [text[s.start : s.end] for s in spans] == ["f(a, 1 + 2).b", "f(a, 1 + 2)", "1 + 2"]


def test_parameters_of_function_types_may_have_names() -> None:
    assert expression("fn(n: i16) void") == expression("fn(i16) void")


# --- errors ---

E = "syntax-expected-token"


@pytest.mark.parametrize(
    ("text", "id", "message", "at"),
    [
        ("const x = 1", E, "expected `;` after variable declaration, found end of file", (1, 12)),
        ("fn f() void { var x = 1 }", E, "expected `;` after variable declaration, found `}`", (1, 24)),
        ("fn f() void { a = 1 b = 2; }", E, "expected `;` after assignment, found `b`", (1, 20)),
        ("fn f() void { f()\n}", E, "expected `;` after expression, found `}`", (1, 18)),
        ("fn f() void { return 1 }", E, "expected `;` after `return`, found `}`", (1, 23)),
        ("param x: u16", E, "expected `;` after parameter declaration, found end of file", (1, 13)),
        ("color a b;", E, "expected `;` after color declaration, found `b`", (1, 8)),
        ("const = 1;", E, "expected a variable name, found `=`", (1, 7)),
        ("const fn = 1;", E, "expected a variable name, found `fn`", (1, 7)),
        ("const x = ;", E, "expected an expression, found `;`", (1, 11)),
        ("const x = a + * ;", E, "expected an expression, found `;`", (1, 17)),
        ("x = 1;", E, "expected a declaration, found `x`", (1, 1)),
        ("export x;", E, "expected a declaration after `export`, found `x`", (1, 8)),
        ("export extern var x: u16;", "syntax-modifier", "`extern` after `export`", (1, 8)),
        ("const x = f(1, 2;", E, "expected `)` after the arguments, found `;`", (1, 17)),
        ("const x = (1;", E, "expected `)` after the expression, found `;`", (1, 13)),
        ("const x = a[1;", E, "expected `]` after the index, found `;`", (1, 14)),
        ("const x = a[];", E, "expected an index in `[]`", (1, 11)),
        ("const x = @zeros;", E, "expected `(` after `@zeros`, found `;`", (1, 17)),
        ("const x = .{ .a = 1, 2 };", E, "expected `.` before a field name, found `2`", (1, 22)),
        ("const x = .{ .a };", E, "expected `{` after `.`, found `a`", (1, 15)),
        ("const x = { .a = 1 };", E, "expected `.` before the `{` of a struct literal, found `{`", (1, 11)),
        ("const x = a.inline;", E, "expected a field name after `.`, found `inline`", (1, 13)),
        ("const x = if a 1 else 2;", E, "expected `(` after `if`, found `a`", (1, 14)),
        ("const x = struct { a };", E, "expected `:` after field `a`, found `}`", (1, 22)),
        (
            "const x = packed;\nconst y = extern fn;",
            E,
            "expected `struct` or `union` after `extern`, found `fn`",
            (2, 18),
        ),
        (
            "const x = |i|{N} -> a;",
            "syntax-tensor-access",
            "expected an indexed array such as `a[i]` after `->`",
            (1, 21),
        ),
        (
            "const x = |i|(N) -> a[i];",
            E,
            "expected `{` before the extents of a tensor access, found `(`",
            (1, 14),
        ),
        (
            "const x = a < b < c;",
            "syntax-chained-comparison",
            "`<` after `<`: comparisons do not chain",
            (1, 17),
        ),
        ("const x = asm (1);", "syntax-unsupported", "inline assembly is not supported", (1, 11)),
        ("fn f() {}", E, "expected a result type after the parameters, found `{`", (1, 8)),
        ("fn f(x) void {}", E, "expected `:` after parameter `x`, found `)`", (1, 7)),
        ("fn f void {}", E, "expected `(` after `f`, found `void`", (1, 6)),
        ("fn f() void;", E, "expected `{` before a block, found `;`", (1, 12)),
        ("extern fn f() void {}", E, "expected `;` after `extern fn`, found `{`", (1, 19)),
        ("var x: u16 align(2) align(4);", "syntax-duplicate-attribute", "second `align`", (1, 21)),
        ("fn f() void {", E, "expected `}` at the end of the block, found end of file", (1, 14)),
        ("fn f() void { if (a) var b = 1; }", E, "expected a statement or a block, found `var`", (1, 22)),
        ("fn f() void { if (a) f(); else g(); }", "syntax-stray-else", "`else` without `if`", (1, 27)),
        ("fn f() void { l: f(); }", E, "expected a loop or a block after label `l`, found `f`", (1, 18)),
        (
            "fn f() void { inline if (a) {} }",
            E,
            "expected `for` or `while` after `inline`, found `if`",
            (1, 22),
        ),
        (
            "fn f() void { for (a) {} }",
            E,
            "expected `|` before the variables of the loop, found `{`",
            (1, 23),
        ),
        (
            "fn f() void { for (a) |x, y, z| {} }",
            "syntax-loop-variables",
            "expected one or two variables in `for`, found 3",
            (1, 15),
        ),
        ("fn f() void { while (a) : i += 1 {} }", E, "expected `(` after `:`, found `i`", (1, 27)),
        ("fn f() void { break : 1; }", E, "expected a label after `:`, found `1`", (1, 23)),
        ("fn f() void { switch (a) { 1 = 2 } }", E, "expected `=>` after the pattern, found `=`", (1, 30)),
        ("const x = \"a;\n", "lex-unterminated-string", 'expected `"` before the end of the line', (1, 11)),
        ('const x = "a\\qb";', "lex-bad-escape", r"unknown escape `\q`", (1, 13)),
        ("const x = 12ab;", "lex-bad-number", "`12ab` is not a number", (1, 11)),
        ("const x = 'ab';", "lex-bad-char", "expected one character between `'`, found 2", (1, 11)),
        ("const x = a && b;", "lex-unknown-operator", "unknown operator `&&`", (1, 13)),
        ("const x = a # b;", "lex-unknown-character", "unexpected character `#`", (1, 13)),
    ],
)  # fmt: skip
def test_errors(text: str, id: str, message: str, at: tuple[int, int]) -> None:
    (diagnostic,) = errors(text)
    assert (diagnostic.id, diagnostic.message) == (id, message)
    assert diagnostic.span is not None
    assert diagnostic.span.source.position(diagnostic.span.start) == at


def test_help() -> None:
    assert errors("const x = a && b;")[0].help == "write `and`"
    assert errors("const x = { .a = 1 };")[0].help == "write `.{`"
    assert errors("fn f() void { if (a) f(); else g(); }")[0].help == "remove the `;` in front of it"


def test_an_unclosed_bracket_is_shown() -> None:
    (diagnostic,) = errors("const x = f(1, 2;")
    (label,) = diagnostic.labels
    assert (label.text, str(label.span)) == ("`(` opened here", "t.csl:1:12")


def places(text: str) -> list[str]:
    return [str(d.span) for d in errors(text)]


def test_all_errors_are_found() -> None:
    text = """\
const a = ;
fn f() void {
  var x = 1
  g(1, 2;
  if (x == ) { y = ; }
  return x;
}
param p u16;
const b = 2;
fn g( void {
  const c = 3;
}
fn h() void { x }
"""
    assert places(text) == [f"t.csl:{p}" for p in ("1:11", "3:12", "4:9", "5:12", "8:8", "10:12", "13:16")]


def test_a_missing_brace_is_reported_once() -> None:
    text = "fn f() void {\n  if (a) {\n    b();\n}\n\nfn g() void {}\nconst c = ;\n"
    assert places(text) == ["t.csl:6:1", "t.csl:7:11"]


def test_an_unreadable_token_hides_what_follows_from_it() -> None:
    assert places('fn f() void {\n  g("abc);\n  h(#, 1);\n  k(;\n}') == [
        "t.csl:2:5",
        "t.csl:3:5",
        "t.csl:4:5",
    ]


def test_at_most_twenty_errors() -> None:
    assert len(errors("const x = ;\n" * 100)) == 20


DEEP = [
    "const x = " + "(" * 10_000,
    "const x = " + "[" * 10_000,
    "const x = " + "-" * 10_000 + "1;",
    "const x = " + "*" * 10_000 + "T;",
    "const x = " + "[1]" * 10_000 + "T;",
    "const x = " + "fn() " * 10_000 + "T;",
    "const x = " + "f(" * 10_000,
    "const x = " + ".{" * 10_000,
    "const x = " + ".{.a=" * 10_000,
    "const x = " + "{" * 10_000,
    "const x = " + "if (a) " * 10_000,
    "const x = " + "if (" * 10_000,
    "const x = " + "comptime " * 10_000,
    "const x = " + "switch (a) { 1 => " * 10_000,
    "const x = " + "struct { a: " * 10_000,
    "const x = " + "l: { break :l " * 10_000,
    "const x = " + "a + " * 10_000 + "a;",
    "const x = a" + ".b" * 10_000 + ";",
    "const x = a" + "()" * 10_000 + ";",
    "fn f() void " + "{" * 10_000,
    "fn f() void {" + "if (a) " * 10_000,
    "fn f() void {" + "if (a) {} else " * 10_000,
    "fn f() void {" + "while (a) " * 10_000,
    "fn f() void {" + "comptime " * 10_000,
    "fn f() void {" + "switch (a) { 1 => " * 10_000,
    "const x = " + "a == (" * 10_000,
]


@pytest.mark.parametrize("text", DEEP, ids=lambda t: t[10:28])
def test_deep_nesting_is_an_error(text: str) -> None:
    first = errors(text)[0]
    assert (first.id, first.message) == ("syntax-too-deep", "nested more than 128 levels deep")


@pytest.mark.parametrize(
    "text",
    [
        "const x = " + "(" * 100 + "1" + ")" * 100 + ";",
        "const x = " + "-" * 100 + "1;",
        "const x = " + "f(1, " * 40 + "2" + ")" * 40 + ";",
        "const x = " + ".{ .a = " * 60 + "2" + "}" * 60 + ";",
        "const x = " + " + ".join("a" * 120) + ";",
        "fn f() void " + "{" * 60 + "}" * 60,
        "fn f() void {" + "if (a) {} else " * 100 + "{} }",
    ],
)
def test_nesting_within_the_limit(text: str) -> None:
    check_round_trip(text)
