"""From files to a service: models, backends, policy, keys."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openwafer.diag import error
from openwafer.estimate import deploy
from openwafer.serve.backends._estimated import EstimatedBackend
from openwafer.serve.backends._file import EstimatedSpec, Spec, UpstreamSpec, WaferSpec
from openwafer.serve.backends._protocol import Backend
from openwafer.serve.backends._sources import FixedRule, SmallModel, Source
from openwafer.serve.core._clock import Clock
from openwafer.serve.text._codec import ByteCodec, Codec, codec_of

if TYPE_CHECKING:
    from openwafer.nn.models import Checkpoint


@dataclass(slots=True)
class Local:
    """The model of a directory, or tokens by a fixed rule where there is none."""

    name: str
    codec: Codec
    directory: Path | None = None
    checkpoint: Checkpoint | None = None
    _source: Source | None = field(default=None)

    def source(self, tokens: str) -> Source:
        """Who writes for estimated backends."""
        if tokens == "rule" or self.checkpoint is None:
            return _rule(self.codec)
        if self._source is None:
            self._source = SmallModel(self.checkpoint.model, self.checkpoint.config.positions)
        return self._source


def load_local(
    directory: str | Path | None, *, name: str | None = None, template: str | None = None
) -> Local:
    """Diagnostics: torch-missing, those of `openwafer.nn.models.load`, no-tokenizer, chat-template."""
    if directory is None:
        return Local(name or "rule", ByteCodec())
    from openwafer.nn import require_torch
    from openwafer.nn.models import load

    require_torch()
    root = Path(directory)
    checkpoint = load(root)
    return Local(name or root.absolute().name, codec_of(root, checkpoint, template), root, checkpoint)


def _rule(codec: Codec) -> Source:
    """Letters and a blank are looked for in the vocabulary."""
    known = [(i, codec.token_bytes(i)) for i in range(codec.vocabulary)]
    letters = [i for i, b in known if len(b) == 1 and b.isalpha()] or [i for i, _ in known]
    space = next((i for i, b in known if b == b" "), letters[0])
    return FixedRule(codec.vocabulary, letters, space, min(codec.stop, default=None))


def make_backends(specs: Sequence[Spec], clock: Clock, local: Local, *, threads: int = 1) -> list[Backend]:
    """All of them serve the local model's name. Diagnostics: those of `deploy` and `compile_generation`,
    wafer-needs-model."""
    found: list[Backend] = []
    for spec in specs:
        match spec:
            case WaferSpec():
                found.append(_wafer(spec, clock, local, threads))
            case EstimatedSpec():
                found.append(make_estimated(spec, clock, local))
            case UpstreamSpec():
                found.append(_upstream(spec, clock, local))
    return found


def make_estimated(
    spec: EstimatedSpec, clock: Clock, local: Local | None, *, block_tokens: int = 128
) -> EstimatedBackend:
    """Without `local` for traces only."""
    deployed = deploy(
        spec.model, spec.system, spec.systems, context=spec.context, engine=spec.engine,
        tokens_per_second_per_user=spec.tokens_per_second_per_user, precision=spec.precision,  # type: ignore[arg-type]
    )  # fmt: skip
    return EstimatedBackend(
        spec.name, clock, deployed, models=() if local is None else (local.name,),
        source=None if local is None else local.source(spec.tokens), expected_tokens=spec.expected_tokens,
        grams_per_kwh=spec.grams_per_kwh, slots=spec.slots, block_tokens=block_tokens,
    )  # fmt: skip


def _wafer(spec: WaferSpec, clock: Clock, local: Local, threads: int) -> Backend:
    from openwafer.nn import Wafer, compile_generation
    from openwafer.serve.backends._wafer import Lane, WaferBackend

    if local.checkpoint is None:
        raise error(
            "wafer-needs-model", f"backend `{spec.name}` has no model", help="give a model's directory"
        )
    positions = local.checkpoint.config.positions
    context = min(spec.context or positions, positions)

    def lane() -> Any:
        assert local.checkpoint is not None
        return Lane(
            compile_generation(
                local.checkpoint.model, context, Wafer(spec.machine, spec.shape), prefill=spec.prefill,
                engine=spec.engine, threads=threads,
            )
        )  # fmt: skip

    lanes = [lane() for _ in range(spec.lanes)]
    return WaferBackend(spec.name, clock, lanes, model=local.name, grams_per_kwh=spec.grams_per_kwh)


def _upstream(spec: UpstreamSpec, clock: Clock, local: Local) -> Backend:
    try:
        from openwafer.serve.backends._upstream import UpstreamBackend
    except ImportError:
        text = "`httpx` is not installed, which upstreams need"
        raise error("serve-missing", text, help="pip install 'openwafer[serve]'") from None
    return UpstreamBackend(
        spec.name, clock, url=spec.url, model=spec.model, models=(local.name,), context=spec.context,
        slots=spec.slots, key_variable=spec.key_variable, usd_in=spec.usd_per_million_in,
        usd_out=spec.usd_per_million_out, timeout_s=spec.timeout_s,
    )  # fmt: skip
