"""Random PyTorch models that view, write in place, and keep buffers: each forward pass is a random walk over
tensors, decided by the model's seed alone."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

Walk = Callable[["Program", random.Random, Any], Any]


class Program(nn.Module):
    """`steps` random operations on x [batch, features] or [batch, tokens, features]."""

    def __init__(self, seed: int, *, is_training: bool = False) -> None:
        super().__init__()
        choices = random.Random(seed)
        self.seed, self.is_training = seed, is_training
        self.features = choices.choice((4, 6, 8))
        self.shape = (choices.choice((1, 2, 3)), *((3,) if choices.random() < 0.4 else ()), self.features)
        self.steps = choices.randint(2, 7)
        self.uses = 0
        torch.manual_seed(seed)
        self.first, self.second = (
            nn.Linear(self.features, self.features),
            nn.Linear(self.features, self.features),
        )
        self.row = nn.Parameter(torch.rand(self.features))
        self.drop = nn.Dropout(0.5)
        self.scale = 1.5
        self.plain = torch.rand(self.features)
        self.register_buffer("total", torch.rand(self.features))
        self.register_buffer("last", torch.zeros(self.shape))
        self.register_buffer("fixed", torch.rand(self.features))
        self.register_buffer("count", torch.tensor(0))
        self.register_buffer("level", torch.tensor(0.5))
        self.largest = 1.0
        """Of all numbers so far: what errors are measured by."""

    def forward(self, x: Any) -> Any:
        choices = random.Random(self.seed)
        tensors = [x]
        if self.is_training or choices.random() < 0.7:
            tensors.append(self.first(x))
        for _ in range(self.steps):
            if choices.random() < 0.02:
                tensors.append(without_gradient(self, choices, tensors[-1]))
            made = choices.choice(STEPS)(self, choices, choices.choice(tensors[-3:]))
            if isinstance(made, torch.Tensor) and made.numel() and made.is_floating_point():
                tensors.append(made)
        if self.is_training:
            return self.second(tensors[-1] if tensors[-1].shape[-1:] == x.shape[-1:] else tensors[1])
        return self._results(choices, tensors)

    def _results(self, choices: random.Random, tensors: list[Any]) -> Any:
        last = tensors[-1]
        return choices.choice((
            lambda: last,
            lambda: (last, tensors[-min(2, len(tensors))]),
            lambda: {"a": last, "b": last[..., :1]},
            lambda: [last, self.total, None],
            lambda: (self.second(tensors[0]), tensors[0], self.row),
        ))()  # fmt: skip


def part(choices: random.Random, y: Any) -> Any:
    """A random view."""
    return choices.choice(VIEWS)(choices, y)


def _index(choices: random.Random, y: Any) -> Any:
    """A subscript: indices, slices with steps, an ellipsis."""
    out: list[Any] = []
    for size in y.shape:
        first = choices.randrange(size)
        out.append(choices.choice((
            slice(None), slice(first, None), slice(None, first + 1), slice(first, None, 2), first, -1 - first,
        )))  # fmt: skip
    return tuple(out[: choices.randint(1, len(out))]) if out else ...


def _split(choices: random.Random, y: Any) -> Any:
    dim = choices.randrange(y.dim()) if y.dim() else 0
    return choices.choice((y.chunk, y.split))(2, dim)[-1] if y.dim() else y


def _narrow(choices: random.Random, y: Any) -> Any:
    if not y.dim():
        return y
    dim = choices.randrange(y.dim())
    first = choices.randrange(y.shape[dim])
    return y.narrow(dim, first, choices.randint(1, y.shape[dim] - first))


VIEWS: tuple[Callable[[random.Random, Any], Any], ...] = (
    lambda r, y: y[_index(r, y)],
    lambda r, y: y[_index(r, y)],
    lambda r, y: y.transpose(0, -1) if y.dim() else y,
    lambda r, y: y.t() if y.dim() <= 2 else y.mT,
    lambda r, y: y.view(-1) if y.is_contiguous() else y.reshape(-1),
    lambda r, y: y.reshape(y.shape),
    lambda r, y: y.unflatten(-1, (2, -1)) if y.dim() and y.shape[-1] % 2 == 0 else y,
    lambda r, y: y.flatten(0, 1) if y.dim() > 1 else y,
    lambda r, y: y.unsqueeze(0), lambda r, y: y.squeeze(),
    lambda r, y: y.expand(2, *y.shape), lambda r, y: y.expand_as(y),
    lambda r, y: y.select(0, -1) if y.dim() else y,
    lambda r, y: y.diagonal() if y.dim() > 1 and r.random() < 0.3 else y,
    _split, _narrow,
    lambda r, y: y.contiguous(), lambda r, y: y.float(), lambda r, y: y.detach(), lambda r, y: y.type_as(y),
    lambda r, y: F.dropout(y, 0.5, training=False), lambda r, y: y.unbind(0)[0] if y.dim() else y,
    lambda r, y: y.permute(*reversed(range(y.dim()))), lambda r, y: y.movedim(0, -1) if y.dim() else y,
)  # fmt: skip


def view(model: Program, choices: random.Random, y: Any) -> Any:
    return part(choices, y)


def compute(model: Program, choices: random.Random, y: Any) -> Any:
    fits = y.dim() > 0 and y.shape[-1] == model.features
    plain = (
        lambda: y * 0.5, lambda: y + 1, lambda: -y, lambda: y.tanh(), lambda: y.relu(), lambda: y.clone(),
        lambda: y - y.mean(), lambda: y * model.scale, lambda: y + model.level, lambda: 2 - y,
        lambda: torch.cat((y, y), 0) if y.dim() else y, lambda: y.mul(y), lambda: model.drop(y),
        lambda: torch.zeros_like(y).add_(y), lambda: y.new_ones(y.shape),
    )  # fmt: skip
    rows = (
        lambda: model.first(y), lambda: model.second(y), lambda: y * model.row, lambda: y + model.fixed,
        lambda: y + model.total, lambda: y * model.plain, lambda: y.softmax(-1),
        lambda: F.layer_norm(y, (model.features,)), lambda: y.mean(-1, keepdim=True) + y,
    )  # fmt: skip
    return choices.choice(plain + rows if fits else plain)()


def write(model: Program, choices: random.Random, y: Any) -> Any:
    """In place, into a view."""
    z = part(choices, y)
    for _ in range(choices.randrange(2)):
        z = part(choices, z)
    number = choices.choice((0.0, -1.5, 2.0))
    other = choices.choice((y, model.fixed, model.total, model.plain, model.row, torch.ones(1)))
    fits = other.numel() and other.dim() <= z.dim()
    fits = fits and all(a in (b, 1) for a, b in zip(reversed(other.shape), reversed(z.shape), strict=False))
    choices.choice((
        lambda: z.add_(number), lambda: z.mul_(number), lambda: z.zero_(), lambda: z.fill_(number),
        lambda: z.relu_(), lambda: z.neg_(), lambda: z.tanh_(), lambda: z.clamp_(-0.5, 0.5),
        lambda: z.copy_(other) if fits else z.zero_(), lambda: z.add_(other) if fits else z.neg_(),
        lambda: z.mul_(other) if fits else z.neg_(), lambda: z.sub_(other, alpha=2) if fits else z.neg_(),
        lambda: z.add_(torch.full((), number)), lambda: z.copy_(torch.full(z.shape, number)),
        lambda: z.masked_fill_(torch.ones(z.shape, dtype=torch.bool), number),
    ))()  # fmt: skip
    return y


def subscript(model: Program, choices: random.Random, y: Any) -> Any:
    """y[…] = … and y[…] += …"""
    index = _index(choices, y)
    match choices.randrange(5):
        case 0:
            y[index] = choices.choice((0.0, 1.5))
        case 1:
            y[index] += 1.0
        case 2:
            y[index] *= model.level
        case 3 if y.dim():
            y[[0, -1]] = 2.0
        case _:
            y[index] = choices.choice(
                (lambda: y[index] * 2, lambda: y[index].clone(), lambda: y[index].flip(-1))
            )()
    return y


def without_gradient(model: Program, choices: random.Random, y: Any) -> Any:
    with torch.no_grad():
        return choices.choice((lambda: y.add_(1.0), lambda: y * 2, lambda: model.first.weight.mul_(0.5)))()


def state(model: Program, choices: random.Random, y: Any) -> Any:
    """Into buffers and attributes."""
    fits = y.dim() > 0 and y.shape[-1] == model.features
    row = y.reshape(-1, model.features).sum(0) if fits else model.fixed
    level = lambda: model.level.mul_(0.5)  # noqa: E731
    match choices.choice((*[0, 1, 2, 4, 8] * 5, 3, 5, 5, 6, 7)):
        case 0:
            model.total.add_(row.detach())
        case 1:
            model.total[:2] = row[:2].detach()
        case 2:
            model.last.copy_(y.detach()) if y.shape == model.last.shape else level()
        case 3:
            model.count += 1
        case 4:
            level()
        case 5:
            model.total = model.total * 0.5 + row.detach()
        case 6:
            model.uses += 1
            return y * (1 + model.uses)
        case 7:
            model.plain.mul_(0.5)
        case _:
            model.total.mul_(0.9).add_(row.detach(), alpha=0.1)
    return y + model.total if fits else y


STEPS: tuple[Walk, ...] = (
    view, view, view, compute, compute, compute, compute, write, write, write, write, subscript, subscript,
    state, state,
)  # fmt: skip
