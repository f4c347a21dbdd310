"""Results made again in the backward pass: the same gradients in less memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `torch`")

from torch_models import Llama  # noqa: E402

from openwafer.nn import Wafer, compile_training  # noqa: E402
from openwafer.nn.run import _training  # noqa: E402

pytestmark = pytest.mark.torch


def loss(logits: Any, wanted: Any) -> Any:
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten())


def gradients(engine: Any) -> tuple[int, dict[str, Any]]:
    """Bytes on a PE, and the gradients."""
    torch.manual_seed(0)
    model = Llama(layers=2)
    ids = torch.arange(8)[None]
    step = compile_training(model, loss, None, (ids, ids), Wafer("wse3", (3, 2)), engine=engine)
    step(ids, ids)
    return step.session.memory.bytes, step.gradients()


@pytest.mark.parametrize("engine", ("numpy", "fast"))
def test_gradients_are_the_same_in_less_memory(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept_bytes, kept = gradients(engine)
    monkeypatch.setattr(_training, "room_bytes", lambda machine: 0)
    lean_bytes, lean = gradients(engine)
    assert lean_bytes < 0.95 * kept_bytes
    assert kept.keys() == lean.keys()
    assert all(np.array_equal(kept[name], lean[name]) for name in kept)
