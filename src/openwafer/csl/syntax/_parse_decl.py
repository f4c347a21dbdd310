"""Top-level declarations."""

from __future__ import annotations

from typing import Literal, cast

from openwafer.csl.syntax import _ast as ast
from openwafer.csl.syntax._lexer import Token
from openwafer.csl.syntax._parse_base import Storage, SyntaxFailure
from openwafer.csl.syntax._parse_stmt import StmtParser

_STARTS_DECL = frozenset(("param", "const", "var", "fn", "task", "export", "extern", "inline", "comptime"))


class DeclParser(StmtParser):
    def file(self) -> ast.File:
        """All declarations; one that is wrong is reported and skipped."""
        declarations: list[ast.Decl] = []
        while self.kind != "eof":
            declaration = self._recovering_declaration()
            if declaration:
                declarations.append(declaration)
        return ast.File(tuple(declarations), span=self.span(0))

    def _recovering_declaration(self) -> ast.Decl | None:
        position = self.position
        self.depth = 0
        try:
            return self._declaration()
        except SyntaxFailure as failure:
            self.report(failure.diagnostic)
            self._skip_declaration(position)
            return None

    def _skip_declaration(self, started: int) -> None:
        """Goes on in front of what starts a declaration: outside of braces, or in the first column."""
        nested = 0
        while self.kind != "eof":
            if self.position > started and self.starts_line() and self._starts_decl():
                first_column = self.source.text[self.token.start - 1 : self.token.start] == "\n"
                if nested == 0 or first_column:
                    return
            nested += (self.kind == "{") - (self.kind == "}" and nested > 0)
            self.advance()

    def _starts_decl(self) -> bool:
        return self.kind in _STARTS_DECL or self._starts_layout() or self._starts_color()

    def _starts_layout(self) -> bool:
        return self.at_word("layout") and self.peek().kind == "{"

    def _starts_color(self) -> bool:
        return self.at_word("color") and self.peek().kind == "ident"

    # --- declarations ---

    def _declaration(self) -> ast.Decl:
        start = self.token.start
        if self._starts_layout():
            self.advance()
            body = self.block()
            return ast.LayoutBlock(body, span=self.span(start))
        match self.kind:
            case "param":
                return self._param(start)
            case "comptime":
                return self._comptime_decl(start)
            case "ident" if self._starts_color():
                return self._color(start)
            case _:
                return self._fn_or_variable(start)

    def _param(self, start: int) -> ast.ParamDecl:
        self.advance()
        name = self.expect_name("a parameter name")
        type = self.type() if self.accept(":") else None
        default = self.expr() if self.accept("=") else None
        self.terminate("parameter declaration")
        return ast.ParamDecl(name, type, default, span=self.span(start))

    def _color(self, start: int) -> ast.ColorDecl:
        self.advance()
        names = [self.expect_name("a color name")]
        while self.accept(","):
            names.append(self.expect_name("a color name"))
        self.terminate("color declaration")
        return ast.ColorDecl(tuple(names), span=self.span(start))

    def _comptime_decl(self, start: int) -> ast.Decl:
        self.advance()
        if self.kind == "{":
            body = self.block()
            return ast.ComptimeBlock(body, span=self.span(start))
        if self.kind not in ("const", "var"):
            self.fail_expected("`{` after `comptime`")
        return self._variable(start, "", comptime=True)

    def _variable(self, start: int, storage: str, *, comptime: bool = False) -> ast.VarDecl:
        declaration = self.var_decl(start, storage=storage, comptime=comptime)
        self.terminate("variable declaration")
        return declaration

    # --- functions ---

    def _fn_or_variable(self, start: int) -> ast.Decl:
        modifiers: dict[str, Token] = {}
        while self.kind in ("export", "extern", "inline"):
            token = self.advance()
            other = next(iter(modifiers), None)
            if token.kind in modifiers or (token.kind != "inline" and other not in (None, "inline")):
                self.fail("syntax-modifier", f"`{token.kind}` after `{other}`", self.span_of(token))
            modifiers[token.kind] = token
        storage = next((m for m in modifiers if m != "inline"), "")
        if self.kind in ("const", "var") and "inline" not in modifiers:
            return self._variable(start, storage)
        if self.kind not in ("fn", "task"):
            last = next(reversed(modifiers), None)
            self.fail_expected(f"a declaration after `{last}`" if last else "a declaration")
        return self._fn(start, storage, inline="inline" in modifiers)

    def _fn(self, start: int, storage: str, *, inline: bool) -> ast.FnDecl:
        kind = self.advance().kind
        name = self.expect_name(f"a {'function' if kind == 'fn' else 'task'} name")
        if self.kind != "(":
            self.fail_expected(f"`(` after `{name}`")
        param = self._extern_fn_param if storage == "extern" else self._fn_param
        params = self.listed(param, ")", "after the parameters")
        attributes = self.attributes("linkname")
        result = None if kind == "task" and self.at("{", ";") else self._result()
        attributes |= self.attributes("linkname")
        body = None
        if storage == "extern":
            self.terminate(f"`extern {kind}`")
        else:
            body = self.block()
        return ast.FnDecl(
            cast(Literal["fn", "task"], kind),
            name,
            params,
            result,
            body,
            cast(Storage, storage),
            inline,
            attributes.get("linkname"),
            span=self.span(start),
        )

    def _result(self) -> ast.Expr:
        if self.kind in ("{", ";"):
            help = "write `void` if there is no result"
            self.fail_expected("a result type after the parameters", help=help)
        return self.type()

    def _fn_param(self) -> ast.FnParam:
        start = self.token.start
        comptime = self.accept("comptime")
        name = self.expect_name("a parameter name")
        self.expect(":", f"after parameter `{name}`")
        type = self.expr()
        return ast.FnParam(name, type, comptime, span=self.span(start))

    def _extern_fn_param(self) -> ast.FnParam:
        if self.kind == "comptime" or (self.kind == "ident" and self.peek().kind == ":"):
            return self._fn_param()
        type = self.expr()
        return ast.FnParam("", type, span=type.span)
