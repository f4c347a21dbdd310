"""CSL text to its syntax tree."""

from __future__ import annotations

from openwafer.csl.syntax._ast import File
from openwafer.csl.syntax._parse_base import TooManyErrors
from openwafer.csl.syntax._parse_decl import DeclParser
from openwafer.diag import Diagnostic, DiagnosticError, Source


def parse(source: Source) -> File:
    """The tree of a source, or a `DiagnosticError` with its syntax errors (at most 20) in source order.

    Errors: lex-*, syntax-*."""
    parser = DeclParser(source)
    file = None
    try:
        file = parser.file()
    except TooManyErrors:
        pass
    except RecursionError:
        parser.diagnostics.append(_too_deep(parser))
    if parser.diagnostics or file is None:
        raise DiagnosticError(sorted(parser.diagnostics, key=_offset))
    return file


def _too_deep(parser: DeclParser) -> Diagnostic:
    return Diagnostic("syntax-too-deep", "nested too deep for the Python stack", parser.span_of(parser.token))


def _offset(diagnostic: Diagnostic) -> int:
    return diagnostic.span.start if diagnostic.span else 0
