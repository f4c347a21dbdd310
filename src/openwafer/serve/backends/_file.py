"""`backends.toml`: which backends there are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from openwafer.diag import Source, error
from openwafer.files import MIB, parse_toml, read_text

ID = "backends-invalid"
_Name: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
_Count: TypeAlias = Annotated[int, Meta(ge=1, le=10**5)]
_Amount: TypeAlias = Annotated[float, Meta(ge=0, le=1e9)]


class WaferSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="wafer"):
    """The model of the directory on `lanes` rectangles of a simulated wafer."""

    name: _Name
    machine: str = "wse3"
    shape: tuple[_Count, _Count] = (8, 8)
    lanes: Annotated[int, Meta(ge=1, le=64)] = 1
    context: _Count | None = None
    prefill: _Count = 16
    engine: Literal["fast", "reference", "numpy"] = "fast"
    grams_per_kwh: _Amount | None = None


class EstimatedSpec(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="estimated"
):
    """`model` (of `openwafer estimate`) on `systems` systems, such as cs3 or b200. `context`: what its
    sequences usually hold; `tokens`: who writes for it."""

    name: _Name
    model: str
    system: str
    systems: _Count = 1
    context: _Count = 2048
    tokens_per_second_per_user: _Amount = 0.0
    precision: str | None = None
    engine: Literal["trtllm", "vllm"] = "trtllm"
    slots: Annotated[int, Meta(ge=1, le=4096)] = 256
    tokens: Literal["model", "rule"] = "model"
    expected_tokens: _Count = 256
    grams_per_kwh: _Amount | None = None


class UpstreamSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="upstream"):
    """An OpenAI-compatible endpoint, whose URL ends in `/v1`. `key_variable`: the environment variable with
    its key."""

    name: _Name
    url: Annotated[str, Meta(pattern=r"^https?://")]
    model: str
    context: _Count = 4096
    slots: _Count = 64
    key_variable: str | None = None
    usd_per_million_in: _Amount | None = None
    usd_per_million_out: _Amount | None = None
    timeout_s: Annotated[float, Meta(gt=0, le=3600)] = 60.0


Spec: TypeAlias = WaferSpec | EstimatedSpec | UpstreamSpec


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    backend: Annotated[list[Spec], Meta(min_length=1, max_length=1000)]


def read_backends(path: str | Path) -> list[Spec]:
    """Diagnostics: backends-invalid."""
    source = Source(str(path), read_text(Path(path), "backends", ID, MIB))
    return parse_backends(parse_toml(source, ID), str(path))


def parse_backends(document: dict[str, Any], path: str) -> list[Spec]:
    try:
        specs = msgspec.convert(document, _Document).backend
    except msgspec.ValidationError as reason:
        raise error(ID, f"{path}: {reason}", help="`[[backend]]` with `name` and `kind`") from None
    names = [spec.name for spec in specs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise error(ID, f"{path}: two backends are named `{twice[0]}`")
    return specs
