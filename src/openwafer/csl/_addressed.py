"""Which local names of a function have their address taken."""

from __future__ import annotations

import dataclasses

from openwafer.csl import _ast as ast


def addressed_names(decl: ast.FnDecl) -> frozenset[str]:
    """Names that stand under `&` (also `&x[i]`, `&x.f`) or as base of a tensor access, anywhere in the body."""
    names: set[str] = set()
    if decl.body is not None:
        _collect(decl.body, names)
    return frozenset(names)


def _collect(node: object, names: set[str]) -> None:
    stack = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, tuple):
            stack.extend(item)  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(item, ast.Node):
            if isinstance(item, ast.AddressOf):
                _root(item.operand, names)
            elif isinstance(item, ast.TensorAccess):
                _root(item.base, names)
            stack.extend(getattr(item, f.name) for f in dataclasses.fields(item) if f.name != "span")


def _root(node: ast.Expr, names: set[str]) -> None:
    while isinstance(node, (ast.Field, ast.Index)):
        node = node.base
    if isinstance(node, ast.Ident):
        names.add(node.name)
