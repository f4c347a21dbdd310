"""Which names an expression mentions, and which local names of a function have their address taken."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import cast

from openwafer.csl.syntax import _ast as ast


def addressed_names(decl: ast.FnDecl) -> frozenset[str]:
    """Names that stand under `&` (also `&x[i]`, `&x.f`) or as base of a tensor access, anywhere in the
    body."""
    names: set[str] = set()
    if decl.body is not None:
        _collect(decl.body, names)
    return frozenset(names)


def mentions(node: ast.Expr, names: set[str]) -> bool:
    """Whether one of the names stands in the expression, or `anytype`."""
    return any(isinstance(n, ast.Ident) and (n.name in names or n.name == "anytype") for n in _nodes(node))


def _collect(node: ast.Node, names: set[str]) -> None:
    for item in _nodes(node):
        if isinstance(item, ast.AddressOf):
            _root(item.operand, names)
        elif isinstance(item, ast.TensorAccess):
            _root(item.base, names)


def _nodes(root: ast.Node) -> Iterator[ast.Node]:
    """All nodes of a tree."""
    stack: list[object] = [root]
    while stack:
        item = stack.pop()
        if isinstance(item, tuple):
            stack.extend(cast("tuple[object, ...]", item))
        elif isinstance(item, ast.Node):
            yield item
            stack.extend(getattr(item, f.name) for f in dataclasses.fields(item) if f.name != "span")


def _root(node: ast.Expr, names: set[str]) -> None:
    while isinstance(node, (ast.Field, ast.Index)):
        node = node.base
    if isinstance(node, ast.Ident):
        names.add(node.name)
