"""Iterations one after the other: executed now, or written out."""

from __future__ import annotations

from openwafer import tir
from openwafer.csl.evaluate._eval import Evaluator, Signal, Target
from openwafer.csl.syntax import _ast as ast


def after_body(signal: Signal | None, label: str | None) -> tuple[bool, Signal | None]:
    """Whether a compile-time loop ends after this signal of its body, and what it passes on."""
    if signal is None:
        return False, None
    mine = signal.label is None or signal.label == label
    if signal.kind == "continue" and mine:
        return False, None
    if signal.kind == "break" and mine:
        return True, None
    return True, signal


class Unrolling:
    """A block around unrolled iterations, for `break`."""

    def __init__(self, ev: Evaluator, label: str | None) -> None:
        self.ev = ev
        self.target = Target(label, ev.code.label(), None)

    def __enter__(self) -> Target:
        self.ev.targets.append(self.target)
        self.outer = self.ev.code.block
        self.ev.code.block = []
        return self.target

    def __exit__(self, *_: object) -> None:
        body = self.ev.code.block
        self.ev.code.block = self.outer
        self.ev.targets.pop()
        if self.target.used:
            self.ev.emit(tir.Block(self.target.break_label, tuple(body)))
        else:
            self.outer.extend(body)


def unrolled_body(ev: Evaluator, target: Target, body: ast.Stmt) -> Signal | None:
    """One iteration in a block of its own, for `continue`."""
    target.continue_label = ev.code.label()
    with ev.branch() as block, ev.new_scope():
        signal = ev.stmt(body)
    ev.emit(tir.Block(target.continue_label, tuple(block)))
    return signal
