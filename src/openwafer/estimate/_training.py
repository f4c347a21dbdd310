"""Training a model for a number of tokens: time, energy and cost on each of many systems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from openwafer.diag import error
from openwafer.estimate._bands import Banded, Kind, band
from openwafer.estimate._config import ModelConfig
from openwafer.estimate._constants import Constants, constants
from openwafer.estimate._estimate import load_systems, precision_of
from openwafer.estimate._facts import ModelFacts, model_facts
from openwafer.estimate._known import load_model
from openwafer.estimate._power import gpu_watts, server_watts
from openwafer.estimate._train import TRAINING_MEMORY_USE, Trained, gpu_part, train_on_gpus, train_on_wafers
from openwafer.machine.systems import Format, GpuSystem, System, WaferSystem

STATE_BYTES = 18.0
"""Of a parameter on GPUs: weights and gradients in 16 bits, master weights, two moments, and room for
activations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingEstimate:
    """`use`: part of the dense peak; `binds`: compute, or the streaming of weights; energy as in
    `Estimate`."""

    model: str
    system: str
    kind: Kind
    precision: Format
    systems: int
    days: Banded
    tokens_per_s: Banded
    use: float
    megawatt_hours: Banded
    facility_megawatt_hours: Banded
    usd: Banded | None
    binds: str
    assumed: tuple[str, ...]


def estimate_training(
    model: str | ModelConfig,
    on: Sequence[str | System],
    *,
    tokens: float,
    systems: int | None = None,
    sequence: float = 8192,
    batch_tokens: float = 8e6,
    precision: Format | None = None,
    c: Constants | None = None,
) -> list[TrainingEstimate]:
    """`tokens` in steps of `batch_tokens` on `systems` of each kind (the fewest that hold the model by
    default).

    Diagnostics: as `estimate`, and training-too-few-systems.
    """
    for name, value, low, high in (
        ("sequence", sequence, 1, 1e8), ("train-tokens", tokens, sequence, 1e18),
        ("batch-tokens", batch_tokens, sequence, 1e12),
        ("systems", 1 if systems is None else systems, 1, 1e7),
    ):  # fmt: skip
        if not low <= value <= high:
            least = f"{low:g} (a sequence)" if low == sequence else f"{low:g}"
            raise error("traffic-out-of-range", f"`{name}` must be from {least} to {high:g}, found {value:g}")
    config = load_model(model) if isinstance(model, str) else model
    used, found = c or constants(), load_systems(on)
    return [
        _one(config, system, systems, tokens, sequence, batch_tokens, precision, used) for system in found
    ]


def _one(
    config: ModelConfig, system: System, count: int | None, tokens: float, sequence: float, batch_tokens:
    float,
    precision: Format | None, c: Constants,
) -> TrainingEstimate:  # fmt: skip
    model = model_facts(config, "f16")
    kind: Kind = "gpu" if isinstance(system, GpuSystem) else "wafer"
    systems = _enough(config, system, model, count)
    form = precision_of(config, system, precision)
    form = "f16" if form in ("w8a16", "w4a16") else form
    trained, watts = _run(model, system, systems, form, sequence, batch_tokens, c)
    seconds = tokens / float(trained.tokens_per_s)
    hours, energy = seconds / 3600, watts * seconds / 3.6e9
    hour = system.usd_per_hour
    return TrainingEstimate(
        model=config.name,
        system=system.name,
        kind=kind,
        precision=form,
        systems=systems,
        days=band(kind, "training", hours / 24),
        tokens_per_s=band(kind, "training", float(trained.tokens_per_s)),
        use=float(trained.use),
        megawatt_hours=band(kind, "training", energy),
        facility_megawatt_hours=band(kind, "training", energy * c.site.pue),
        usd=None if hour is None else band(kind, "training", hour * systems * hours),
        binds="streaming of weights" if trained.stream > 0 else "compute",
        assumed=tuple(f.name for f in system.by_name.values() if f.status == "assumed"),
    )


def _enough(config: ModelConfig, system: System, model: ModelFacts, count: int | None) -> int:
    """Systems that hold the training state; wafers hold none of it (it lies in external memory)."""
    least = 1
    if isinstance(system, GpuSystem):
        held = system.chip.memory_gb * 1e9 * system.server.chips
        least = int(-(-model.stored * STATE_BYTES // held))
    if count is not None and count < least:
        text = f"{count} × `{system.name}` cannot hold the training state of `{config.name}`"
        raise error("training-too-few-systems", text, help=f"at least {least}")
    return count or least


def _run(
    model: ModelFacts,
    system: System,
    systems: int,
    form: Format,
    sequence: float,
    batch_tokens: float,
    c: Constants,
) -> tuple[Trained, float]:
    """And the IT power of all systems."""
    if isinstance(system, WaferSystem):
        wafers = systems * system.wafers.per_system
        trained = train_on_wafers(model, system, wafers, sequence, batch_tokens, c.train)
        working = 1 - float(trained.stream)
        watts = system.idle_w + (system.busy_w - system.idle_w) * working
        return trained, systems * watts * system.power.with_hosts
    chips = systems * system.server.chips
    peak, part = gpu_part(system, form, c.train)
    trained = train_on_gpus(model, peak, part, chips, sequence, batch_tokens, c.train)
    chip = gpu_watts(system, TRAINING_MEMORY_USE, trained.use, c.power)
    return trained, systems * float(server_watts(chip, system, c.power))
