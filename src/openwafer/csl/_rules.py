"""The modules whose import fills the evaluator's tables: expressions, statements, builtins."""

from __future__ import annotations

from types import ModuleType

from openwafer.csl import (
    _builtins_config,
    _builtins_dsd,
    _builtins_fifo,
    _builtins_host,
    _builtins_ids,
    _builtins_internal,
    _builtins_layout,
    _builtins_map,
    _builtins_ops,
    _builtins_registers,
    _builtins_tasks,
    _builtins_types,
    _eval_branch,
    _eval_call,
    _eval_expr,
    _eval_loop,
    _eval_names,
    _eval_place,
    _eval_stmt,
)

RULES: tuple[ModuleType, ...] = (
    _builtins_config,
    _builtins_dsd,
    _builtins_fifo,
    _builtins_host,
    _builtins_ids,
    _builtins_internal,
    _builtins_layout,
    _builtins_map,
    _builtins_ops,
    _builtins_registers,
    _builtins_tasks,
    _builtins_types,
    _eval_branch,
    _eval_call,
    _eval_expr,
    _eval_loop,
    _eval_names,
    _eval_place,
    _eval_stmt,
)
