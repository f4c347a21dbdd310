"""The fitted constants: a table in `data/constants.toml`, each with how it was found."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuConstants:
    """Of serving on GPUs. Parts are of the peak; seconds where the name ends in `_s`."""

    memory: float
    cache: float
    compute_f16: float
    compute_fp8: float
    compute_fp4: float
    amd: float
    amd_layer: float
    expert_half: float
    even: float
    uneven: float
    link: float
    reduce_s: float
    layer_s: float
    expert_layer_s: float
    step_s: float
    sequence_s: float
    vllm_step_s: float
    vllm_sequence_s: float
    first_s: float
    first_steps: float
    first_queue: float
    first_closed: float
    spread_steps: float
    prompt_busy: float
    bubble: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerConstants:
    """Power of a chip as a part of its maximum: floor, and what memory and arithmetic add when fully used."""

    floor: float
    memory: float
    compute: float
    host_w: float
    host_part: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConstants:
    """Parts of the dense peak that training reaches, by format, before what scale takes."""

    f16: float
    fp8: float
    fp4: float
    blackwell: float
    amd: float
    half_width: float
    few_tokens: float
    doubling: float
    wafer: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WaferConstants:
    """`slowdown`: time of real kernels over their closed form."""

    slowdown: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteConstants:
    """`pue`: the building's power over its IT power; `draft_cost`: of a proposal, as a part of a step."""

    pue: float
    draft_cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    gpu: GpuConstants
    wafer: WaferConstants
    power: PowerConstants
    train: TrainConstants
    site: SiteConstants


@cache
def document() -> dict[str, dict[str, dict[str, Any]]]:
    """The table as it stands in the file: value, unit and how it was fitted."""
    return tomllib.loads(
        resources.files("openwafer.estimate").joinpath("data/constants.toml").read_text("utf-8")
    )


@cache
def constants() -> Constants:
    """The shipped constants."""
    values = {t: {name: entry["value"] for name, entry in rows.items()} for t, rows in document().items()}
    return Constants(
        gpu=GpuConstants(**values["gpu"]),
        wafer=WaferConstants(**values["wafer"]),
        power=PowerConstants(**values["power"]),
        train=TrainConstants(**values["train"]),
        site=SiteConstants(**values["site"]),
    )
