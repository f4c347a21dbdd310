"""Random PyTorch models with views, writes in place and buffers, called and trained while the host changes
weights, modules and optimizers: PyTorch's results, or a diagnostic."""

from __future__ import annotations

import copy
import random
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils import _pytree

from campaigns._torch_program import Program
from openwafer.diag import DiagnosticError
from openwafer.nn import Wafer, compile, compile_training

NEEDS = ("torch", "safetensors", "tokenizers")
SHARE = 40
LIMIT_S = 60
CALLS = 3
FAST = 16
"""Of so many models one runs on the fast engine, the others by the kernels' definitions."""
SHAPES = ((2, 2), (1, 1), (3, 2))
EPSILON = 2.0**-24
SUMS = 64
"""Roundings of one element, at most: sums over features, tokens and the operations of a walk."""


class _Fault(Exception):
    """What is wrong."""


def check(seed: int) -> str | None:
    """None if the model gives PyTorch's results or is refused; else what is wrong."""
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            (_train if seed % 3 == 2 else _call)(seed)
        except _Fault as fault:
            return f"seed {seed}: {fault}"
        except DiagnosticError as refused:
            return None if refused.diagnostics[0].message else f"seed {seed}: a diagnostic without words"
        except _Invalid:
            return None
        except Exception as other:
            return f"seed {seed}: {type(other).__name__}: {str(other)[:300]}"
    return None


class _Invalid(Exception):
    """PyTorch itself refuses the model."""


def _theirs(run: Callable[[], Any]) -> Any:
    try:
        return run()
    except Exception as refused:
        raise _Invalid from refused


def _options(seed: int) -> dict[str, Any]:
    engine = "fast" if seed % FAST < 3 and seed % 48 < 3 else "numpy"
    return {"wafer": Wafer("wse3", SHAPES[seed % len(SHAPES)]), "engine": engine}


# --- calls ---


def _call(seed: int) -> None:
    choices = random.Random(seed)
    ours = Program(seed).eval()
    theirs = copy.deepcopy(ours)
    examples = [_input(ours, choices, seed, i) for i in range(CALLS + 1)]
    _theirs(lambda: copy.deepcopy(theirs)(examples[0].clone()))
    with torch.no_grad():
        compiled = compile(ours, (examples[0].clone(),), **_options(seed))
        for x in examples[1:]:
            a, b = x.clone(), x.clone()
            wanted = _theirs(lambda b=b: theirs(b))
            found = compiled(a)
            _compare(found, wanted, theirs, "results")
            _compare(a, b, theirs, "the input afterwards")
            _compare_state(ours, theirs)
            _write_results(found, wanted, a, b, theirs)
            _change(choices, ours, theirs)


def _input(model: Program, choices: random.Random, seed: int, i: int) -> torch.Tensor:
    x = torch.randn(model.shape, generator=torch.Generator().manual_seed(seed * 10 + i))
    return x


def _write_results(found: Any, wanted: Any, a: torch.Tensor, b: torch.Tensor, theirs: Program) -> None:
    """What the caller does to a result changes what shares its memory, and nothing else."""
    pairs = zip(_pytree.tree_leaves(found), _pytree.tree_leaves(wanted), strict=True)
    for x, y in pairs:
        if isinstance(y, torch.Tensor) and y.is_floating_point() and not y.requires_grad:
            try:
                y.detach().add_(1)
            except RuntimeError:  # elements that share memory
                continue
            x.detach().add_(1)
    _compare(found, wanted, theirs, "results that the caller wrote to")
    _compare(a, b, theirs, "the input after results were written to")


def _change(choices: random.Random, ours: Program, theirs: Program) -> None:
    """The same change of both models by the host."""
    change = choices.choice(CHANGES)
    if change is not None:
        for model in (ours, theirs):
            torch.manual_seed(1)
            change(model)


def _replace_parameter(m: Program) -> None:
    m.first.weight = nn.Parameter(m.first.weight.detach() * 0.5)


def _load(m: Program) -> None:
    m.load_state_dict({name: value * 0.5 for name, value in m.state_dict().items()})


def _numpy(m: Program) -> None:
    m.second.weight.detach().numpy()[:] *= 0.5


def _data(m: Program) -> None:
    m.first.weight.data.mul_(0.5)


def _data_other(m: Program) -> None:
    m.row.data = m.row.data * 2


def _tie(m: Program) -> None:
    m.second.weight = m.first.weight


def _set(name: str, value: Any) -> Callable[[Program], None]:
    def change(m: Program) -> None:
        setattr(m, name, value)

    return change


def _hook(m: Program) -> None:
    m.first.register_forward_hook(lambda *given: given[-1] * 2)


def _norm(m: Program) -> None:
    nn.utils.parametrizations.weight_norm(m.second)


CHANGES: tuple[Callable[[Program], Any] | None, ...] = (
    *[None] * 16, *[_data, _numpy, _replace_parameter] * 3, _load, _data_other, _tie, _hook, _norm,
    lambda m: m.first.weight.mul_(2), lambda m: m.row.zero_(), lambda m: m.fixed.add_(1),
    lambda m: m.total.zero_(), lambda m: m.train(), lambda m: m.eval(), _set("scale", 3.0),
    lambda m: setattr(m, "plain", m.plain * 2),
    lambda m: setattr(m, "first", nn.Linear(m.features, m.features)),
    lambda m: m.requires_grad_(False), lambda m: m.level.fill_(2.0),
    lambda m: setattr(m, "total", m.total + 1), lambda m: m.half(),
)  # fmt: skip


# --- training ---


def _train(seed: int) -> None:
    choices = random.Random(seed)
    ours = Program(seed, is_training=True).eval()
    theirs = copy.deepcopy(ours)
    optimizers = [_optimizer(seed, model) for model in (ours, theirs)]
    schedulers = [_scheduler(seed, optimizer) for optimizer in optimizers]
    batches = [(_input(ours, choices, seed, i), torch.randn(ours.shape)) for i in range(CALLS + 2)]
    probe = copy.deepcopy(theirs)
    _theirs(lambda: F.mse_loss(probe(batches[0][0].clone()), batches[0][1]).backward())
    example = tuple(t.clone() for t in batches[0])
    step = compile_training(ours, F.mse_loss, optimizers[0], example, **_options(seed))
    for x, y in batches[1:]:
        wanted = _theirs(lambda x=x, y=y: _step(theirs, optimizers[1], x.clone(), y))
        found = step(x.clone(), y)
        _compare(torch.tensor(found), torch.tensor(wanted), theirs, "the loss", factor=2)
        for scheduler in schedulers:
            scheduler()
        _change_trained(choices, step, ours, theirs, optimizers)
    step.sync()
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        _compare(a.detach(), b.detach(), theirs, f"`{name}` after training", factor=400)


def _step(model: Program, optimizer: Any, x: Any, y: Any) -> float:
    optimizer.zero_grad()
    loss = F.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def _optimizer(seed: int, model: Program) -> Any:
    choices = random.Random(seed)
    groups = [
        {"params": [model.first.weight, model.row]},
        {"params": [model.first.bias, *model.second.parameters()]},
    ]
    given: Any = groups if choices.random() < 0.5 else model.parameters()
    return choices.choice((
        lambda: torch.optim.SGD(given, lr=0.05), lambda: torch.optim.SGD(given, lr=0.05, momentum=0.9),
        lambda: torch.optim.SGD(given, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.1),
        lambda: torch.optim.SGD(given, lr=0.05, momentum=0.8, dampening=0.2),
        lambda: torch.optim.AdamW(given, lr=0.01),
        lambda: torch.optim.Adam(given, lr=0.01, betas=(0.8, 0.99), eps=1e-4),
        lambda: torch.optim.AdamW(given, lr=0.01, weight_decay=0.2, eps=1e-5),
    ))()  # fmt: skip


def _scheduler(seed: int, optimizer: Any) -> Callable[[], Any]:
    kinds: Any = torch.optim.lr_scheduler
    choices = random.Random(seed + 1)
    group = optimizer.param_groups[-1]

    def more(name: str, by: float) -> None:
        if name in group:
            group[name] += by

    return choices.choice((
        lambda: lambda: None, lambda: kinds.StepLR(optimizer, 1, 0.5).step,
        lambda: kinds.CosineAnnealingLR(optimizer, 5).step,
        lambda: kinds.OneCycleLR(optimizer, 0.05, total_steps=9).step,
        lambda: kinds.CyclicLR(optimizer, 0.01, 0.1, step_size_up=2).step,
        lambda: lambda: more("weight_decay", 0.1), lambda: lambda: more("momentum", -0.1),
        lambda: lambda: more("dampening", 0.1), lambda: lambda: more("eps", 1e-4),
        lambda: lambda: group.update(nesterov=not group.get("nesterov")),
        lambda: lambda: group.update(maximize=True),
    ))()  # fmt: skip


def _change_trained(
    choices: random.Random, step: Any, ours: Program, theirs: Program, optimizers: list[Any]
) -> None:
    match choices.randrange(24):
        case 0 | 6 | 7:
            step.sync()
        case 1 | 8 | 9:
            step.sync()
            for model in (ours, theirs):
                model.first.weight.data.mul_(0.5)
        case 2:
            for model in (ours, theirs):
                model.first.weight.data.mul_(0.5)
        case 3:
            for model in (ours, theirs):
                model.first.weight.requires_grad_(False)
        case 4:
            for model in (ours, theirs):
                model.scale *= 2
        case 5:
            for optimizer in optimizers:
                del optimizer.param_groups[-1]["params"][0]
        case _:
            pass


# --- comparison ---


def _compare(found: Any, wanted: Any, model: Program, what: str, *, factor: float = 1) -> None:
    a, structure = _pytree.tree_flatten(found)
    b, other = _pytree.tree_flatten(wanted)
    if structure != other:
        raise _Fault(f"{what}: {structure} instead of {other}")
    for x, y in zip(a, b, strict=True):
        _compare_leaf(x, y, model, what, factor)


def _compare_leaf(x: Any, y: Any, model: Program, what: str, factor: float) -> None:
    if not isinstance(y, torch.Tensor):
        if x != y:
            raise _Fault(f"{what}: {x!r} instead of {y!r}")
        return
    if x.shape != y.shape or x.dtype != y.dtype:
        raise _Fault(f"{what}: {x.dtype} {list(x.shape)} instead of {y.dtype} {list(y.shape)}")
    x, y = x.detach().double(), y.detach().double()
    finite = torch.isfinite(y)
    if not torch.equal(finite, torch.isfinite(x)):
        raise _Fault(f"{what}: other elements are finite")
    most = float(y[finite].abs().max()) if finite.any() else 0.0
    error = float((x - y)[finite].abs().max()) if finite.any() else 0.0
    if error > factor * SUMS * EPSILON * max(most, model.largest) * 8:
        raise _Fault(f"{what}: off by {error:.3g} of {most:.3g}")


def _compare_state(ours: Program, theirs: Program) -> None:
    for (name, a), (_, b) in zip(ours.named_buffers(), theirs.named_buffers(), strict=True):
        _compare(a, b, theirs, f"the buffer `{name}` afterwards")
