"""Syntax tree to CSL text (edition 2.10). Parsing the text gives the same tree, which has no comments."""

from __future__ import annotations

from openwafer.csl.syntax import _ast as ast
from openwafer.csl.syntax._parse_stmt import needs_semicolon
from openwafer.csl.syntax._print_expr import WIDTH, ExprPrinter

_LIKE_STATEMENTS = (ast.IfExpr, ast.Switch, ast.BlockExpr, ast.ComptimeExpr, ast.TensorAccess)
"""Expressions that take parentheses where a statement could stand."""


def print_file(file: ast.File) -> str:
    """The text of a file, ending in a newline."""
    printer = Printer()
    lines: list[str] = []
    for i, declaration in enumerate(file.declarations):
        if i and _separated(file.declarations[i - 1], declaration):
            lines.append("")
        lines.append(printer.declaration(declaration))
    return "\n".join(lines) + "\n" if lines else ""


def print_expr(e: ast.Expr) -> str:
    """The text of an expression or type."""
    return Printer().expr(e)


def _separated(a: ast.Decl, b: ast.Decl) -> bool:
    lines = (ast.ParamDecl, ast.VarDecl, ast.ColorDecl)
    return type(a) is not type(b) or not isinstance(a, lines)


class Printer(ExprPrinter):
    # --- statements ---

    def block(self, block: ast.Block) -> str:
        label = f"{block.label}: " if block.label else ""
        if not block.statements:
            return label + "{}"
        self.indent += 1
        body = "".join(self.newline() + self.statement(s) for s in block.statements)
        self.indent -= 1
        return f"{label}{{{body}{self.newline()}}}"

    def statement(self, s: ast.Stmt) -> str:
        return self.open_statement(s) + (";" if needs_semicolon(s) else "")

    def open_statement(self, s: ast.Stmt) -> str:
        """A statement without its `;`."""
        match s:
            case ast.Block():
                return self.block(s)
            case ast.VarDecl():
                return self._var_decl(s)
            case ast.Assign(op=op, target=target, value=value):
                left = f"{self.leading(target)} {op} "
                return left + self.expr(value, room=WIDTH - len(left))
            case ast.ExprStmt(expr=expr):
                return self.leading(expr)
            case ast.If():
                return self._if(s)
            case ast.While():
                return self._while(s)
            case ast.For():
                return self._for(s)
            case ast.Switch():
                return self.switch(s, statement=True)
            case ast.Return(value=value):
                return "return" + (" " + self.expr(value, room=WIDTH - 7) if value else "")
            case ast.Break(label=label, value=value):
                target = f" :{label}" if label else ""
                return f"break{target}" + (" " + self.expr(value) if value else "")
            case ast.Continue(label=label):
                return "continue" + (f" :{label}" if label else "")
            case ast.ComptimeStmt(body=body):
                return "comptime " + self.open_statement(body)

    def leading(self, e: ast.Expr) -> str:
        """An expression that starts a statement."""
        text = self.expr(e)
        taken = isinstance(e, _LIKE_STATEMENTS) or text.startswith(("fn(", "task("))
        return f"({text})" if taken else text

    def _if(self, s: ast.If) -> str:
        text = f"if ({self.expr(s.condition, room=WIDTH - 6)}) "
        if s.otherwise is None:
            return text + self.open_statement(s.then)
        then = self.open_statement(s.then)
        if _is_open(s.then):
            then = self.block(ast.Block((s.then,), span=s.then.span))
        return f"{text}{then} else {self.open_statement(s.otherwise)}"

    def _while(self, s: ast.While) -> str:
        step = f" : ({self.open_statement(s.step)})" if s.step else ""
        head = f"while ({self.expr(s.condition)}){step} "
        return _loop_prefix(s) + head + self.open_statement(s.body)

    def _for(self, s: ast.For) -> str:
        start = f", {self.expr(s.start)}" if s.start else ""
        variables = ("*" if s.by_pointer else "") + ", ".join(s.variables)
        head = f"for ({self.expr(s.iterable)}{start}) |{variables}| "
        return _loop_prefix(s) + head + self.open_statement(s.body)

    def switch(self, s: ast.Switch, *, statement: bool) -> str:
        head = f"switch ({self.expr(s.subject)}) {{"
        if not s.arms:
            return head + "}"
        self.indent += 1
        arms = ",".join(self.newline() + self._arm(a, statement) for a in s.arms)
        self.indent -= 1
        return f"{head}{arms},{self.newline()}}}"

    def _arm(self, arm: ast.SwitchArm, statement: bool) -> str:
        patterns = ", ".join(self.expr(p) for p in arm.patterns) or "else"
        capture = f"|{arm.capture}| " if arm.capture else ""
        return f"{patterns} => {capture}{self._arm_body(arm.body, statement)}"

    def _arm_body(self, body: ast.Expr | ast.Stmt, statement: bool) -> str:
        match body:
            case (
                ast.Block() | ast.VarDecl() | ast.Assign() | ast.ExprStmt() | ast.If() | ast.While()
                | ast.For() | ast.Switch() | ast.Return() | ast.Break() | ast.Continue() | ast.ComptimeStmt()
            ):  # fmt: skip
                return self.open_statement(body)
            case ast.BlockExpr() | ast.TensorAccess():
                return self.leading(body)
            case _:
                return self.leading(body) if statement else self.expr(body)

    # --- declarations ---

    def declaration(self, d: ast.Decl) -> str:
        match d:
            case ast.ParamDecl(name=name, type=type_, default=default):
                return f"param {name}{self.type_suffix(type_)}{self.value_suffix(default, len(name))};"
            case ast.VarDecl():
                return self._var_decl(d) + ";"
            case ast.FnDecl():
                return self._fn(d)
            case ast.ComptimeBlock(body=body):
                return "comptime " + self.block(body)
            case ast.LayoutBlock(body=body):
                return "layout " + self.block(body)
            case ast.ColorDecl(names=names):
                return f"color {', '.join(names)};"

    def type_suffix(self, type_: ast.Expr | None) -> str:
        return f": {self.element(type_)}" if type_ else ""

    def value_suffix(self, value: ast.Expr | None, used: int) -> str:
        return f" = {self.expr(value, room=WIDTH - used - 10)}" if value else ""

    def _var_decl(self, d: ast.VarDecl) -> str:
        head = f"{d.storage} " if d.storage else ""
        head += "comptime " if d.comptime else ""
        head += f"{'const' if d.const else 'var'} {d.name}{self.type_suffix(d.type)}"
        for name, value in (("align", d.align), ("linksection", d.linksection), ("linkname", d.linkname)):
            head += f" {name}({self.expr(value)})" if value else ""
        return head + self.value_suffix(d.value, len(head) - 6)

    def _fn(self, d: ast.FnDecl) -> str:
        head = f"{d.storage} " if d.storage else ""
        head += f"{'inline ' if d.inline else ''}{d.kind} {d.name}"
        tail = f" {self.element(d.result)}" if d.result else ""
        tail += f" linkname({self.expr(d.linkname)})" if d.linkname else ""
        head += self._params(d.params, WIDTH - len(head) - len(tail) - 2) + tail
        return f"{head} {self.block(d.body)}" if d.body else f"{head};"

    def _params(self, params: tuple[ast.FnParam, ...], room: int) -> str:
        self.on_one_line = True
        text = self.listed(params, "(_)")
        self.on_one_line = False
        return text if self.fits(text, room) else self.listed(params, "(_)", comma=False)


def _loop_prefix(s: ast.While | ast.For) -> str:
    return (f"{s.label}: " if s.label else "") + ("inline " if s.inline else "")


def _is_open(s: ast.Stmt) -> bool:
    """Whether an `else` after it would belong to it."""
    match s:
        case ast.If(otherwise=otherwise):
            return otherwise is None or _is_open(otherwise)
        case ast.While(body=body) | ast.For(body=body) | ast.ComptimeStmt(body=body):
            return _is_open(body)
        case _:
            return False
