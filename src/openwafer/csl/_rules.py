"""The modules whose import fills the evaluator's tables: expressions, statements, builtins."""

from __future__ import annotations

from types import ModuleType

from openwafer.csl.builtins import (
    _config,
    _dsd,
    _fifo,
    _host,
    _ids,
    _internal,
    _layout,
    _map,
    _ops,
    _registers,
    _tasks,
    _types,
)
from openwafer.csl.evaluate import _branch, _call, _expr, _for, _names, _place, _stmt, _while

RULES: tuple[ModuleType, ...] = (
    _config,
    _dsd,
    _fifo,
    _host,
    _ids,
    _internal,
    _layout,
    _map,
    _ops,
    _registers,
    _tasks,
    _types,
    _branch,
    _call,
    _expr,
    _for,
    _names,
    _place,
    _stmt,
    _while,
)
