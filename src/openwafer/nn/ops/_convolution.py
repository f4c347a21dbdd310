"""Windows of pictures: their elements as features of a linear layer (a convolution), and pooling.

A channel's pictures lie whole on the PEs that have the channel, so nothing is communicated."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from openwafer.diag import error
from openwafer.nn.graph._differentiate import Tape
from openwafer.nn.graph._graph import Op, Value
from openwafer.nn.graph._place import Placing
from openwafer.nn.ops._elementwise import elements
from openwafer.nn.ops._operator import Operator
from openwafer.nn.program._lower import Lowering
from openwafer.nn.program._program import Ref


@dataclass(frozen=True, slots=True)
class Windows:
    """In the order of the kernels' parameters (`_convolution.py`)."""

    batch: int
    height: int
    width: int
    ph: int
    pw: int
    top: int
    left: int
    kh: int
    kw: int
    sh: int
    sw: int
    dh: int
    dw: int
    oh: int
    ow: int

    @property
    def taps(self) -> int:
        """Elements of a window."""
        return self.kh * self.kw

    @property
    def tokens(self) -> int:
        """Windows."""
        return self.batch * self.oh * self.ow

    def counts(self, dims: int) -> tuple[int, ...]:
        """Batch, and windows in each of the one or two dimensions."""
        return (self.batch, *(self.oh, self.ow)[-dims:])

    @property
    def has_border(self) -> bool:
        return (self.ph, self.pw) != (self.height, self.width)


def _room(to: Lowering, windows: Windows, channels: int, x: Ref) -> Ref:
    """For a picture with its border, which without one is the picture."""
    if not windows.has_border:
        return x
    return to.scratch("pictures.border", channels, windows.batch, windows.ph, windows.pw)


class Unfold(Operator):
    """The elements of each window as features: channel · taps + tap."""

    name = "unfold"

    def place(self, op: Op, placing: Placing) -> None:
        """Channels stay where they are."""
        (x,) = op.inputs
        placing.parallel(op.output, x)
        placing.unit(op.output, op.attributes["windows"].taps)

    def lower(self, op: Op, to: Lowering) -> None:
        (x,), y = op.inputs, op.output
        _write(to, "unfold", y, x, x, y, op.attributes["windows"])

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        (x,) = op.inputs
        if tape.needs(x):
            tape.add(x, tape.emit("fold", [grad], x.shape, **op.attributes))


class Fold(Operator):
    """The transpose of `unfold`: sums of what each element became."""

    name = "fold"

    def place(self, op: Op, placing: Placing) -> None:
        (dy,) = op.inputs
        placing.parallel(op.output, dy)
        placing.unit(dy, op.attributes["windows"].taps)

    def lower(self, op: Op, to: Lowering) -> None:
        (dy,), dx = op.inputs, op.output
        _write(to, "fold", dx, dy, dx, dy, op.attributes["windows"])

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        (dy,) = op.inputs
        if tape.needs(dy):
            tape.add(dy, tape.emit("unfold", [grad], dy.shape, **op.attributes))


def _write(
    to: Lowering, kernel: str, out: Value, given: Value, picture: Value, taps: Value, w: Windows
) -> None:
    channels = to.local(picture)
    if to.local(taps) != channels * w.taps:
        raise error("channels-apart", f"`{picture.name}` and its windows cannot be split by channels")
    room = _room(to, w, channels, to.ref(picture))
    to.call(kernel, to.ref(out), to.ref(given), room, channels, *astuple(w))


class MaxPool(Operator):
    """The largest element of each window."""

    name = "max_pool"

    def lower(self, op: Op, to: Lowering) -> None:
        (x,), w = op.inputs, op.attributes["windows"]
        channels = to.local(x)
        room = _room(to, w, channels, to.ref(x))
        to.call("max_pool", to.ref(op.output), to.ref(x), room, channels, *astuple(w))

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        (x,) = op.inputs
        if tape.needs(x):
            tape.add(x, tape.emit("max_pool_grad", [grad, x, op.output], x.shape, **op.attributes))


class MaxPoolGrad(Operator):
    """dy at the first of the largest elements of each window."""

    name = "max_pool_grad"

    def lower(self, op: Op, to: Lowering) -> None:
        (dy, x, y), dx, w = op.inputs, op.output, op.attributes["windows"]
        channels = to.local(x)
        rooms = (_room(to, w, channels, to.ref(x)), _room(to, w, channels, to.ref(dx)))
        rest, part = (to.scratch(f"max_pool.{name}", elements(to, y)) for name in ("rest", "part"))
        operands = (to.ref(dx), to.ref(dy), to.ref(x), to.ref(y))
        to.call("max_pool_grad", *operands, *rooms, rest, part, channels, *astuple(w))


class MeanPool(Operator):
    """`factor` · the sum of each window."""

    name = "mean_pool"

    def lower(self, op: Op, to: Lowering) -> None:
        (x,), w = op.inputs, op.attributes["windows"]
        channels = to.local(x)
        room = _room(to, w, channels, to.ref(x))
        to.call(
            "mean_pool", to.ref(op.output), to.ref(x), room, channels, *astuple(w), op.attributes["factor"]
        )  # fmt: skip

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        (x,) = op.inputs
        if tape.needs(x):
            tape.add(x, tape.emit("mean_pool_grad", [grad], x.shape, **op.attributes))


class MeanPoolGrad(Operator):
    """The transpose of `mean_pool`."""

    name = "mean_pool_grad"

    def lower(self, op: Op, to: Lowering) -> None:
        (dy,), dx, w = op.inputs, op.output, op.attributes["windows"]
        channels = to.local(dx)
        room = _room(to, w, channels, to.ref(dx))
        to.call(
            "mean_pool_grad", to.ref(dx), to.ref(dy), room, channels, *astuple(w), op.attributes["factor"]
        )  # fmt: skip
