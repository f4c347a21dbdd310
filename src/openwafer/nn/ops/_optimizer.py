"""Optimisers: local, each weight as soon as its gradient is complete."""

from __future__ import annotations

from typing import Any

from openwafer.nn.graph._graph import Op
from openwafer.nn.graph._place import Placing
from openwafer.nn.ops._operator import Operator
from openwafer.nn.program._lower import Lowering
from openwafer.nn.program._program import Argument, Ref, Runtime


def _now(op: Op, *names: str) -> list[Runtime]:
    """What the host gives at each step for the parameter's group."""
    return [Runtime(f"{name}_{op.attributes['group']}") for name in names]


class _Optimizer(Operator):
    def place(self, op: Op, placing: Placing) -> None:
        """Works on what lies there."""

    def operands(self, op: Op, to: Lowering, *states: str) -> tuple[list[Argument], int]:
        """Weight, its states, its gradient; and their number of elements on a PE."""
        (weight,) = op.weights
        gradient = to.gradients[weight]
        assert gradient.layout is not None
        kept = [
            Ref(to.memory.kept(
                f"{weight.name}.{state}", gradient.shape, "state", layout=gradient.layout, weight=weight,
                is_tile=gradient.is_tile,
            ))
            for state in states
        ]  # fmt: skip
        return [
            Ref(to.memory.weight(weight, gradient.layout, is_tile=gradient.is_tile)),
            *kept,
            Ref(gradient),
        ], gradient.size


class Sgd(_Optimizer):
    """torch.optim.SGD."""

    name = "sgd"

    def lower(self, op: Op, to: Lowering) -> None:
        a: Any = op.attributes
        if a["momentum"] == 0:
            operands, n = self.operands(op, to)
            to.call("sgd", *operands, n, *_now(op, "lr", "decay"))
            return
        operands, n = self.operands(op, to, "velocity")
        kernel = "sgd_nesterov" if a["nesterov"] else "sgd_momentum"
        to.call(kernel, *operands, n, *_now(op, "lr", "momentum", "dampening", "decay"))


class AdamW(_Optimizer):
    """torch.optim.AdamW; with decay 0 also Adam."""

    name = "adamw"

    def lower(self, op: Op, to: Lowering) -> None:
        operands, n = self.operands(op, to, "m", "v")
        names = ("lr", "beta1", "beta2", "eps", "decay", "correction1", "correction2")
        to.call("adamw", *operands, n, *_now(op, *names))
