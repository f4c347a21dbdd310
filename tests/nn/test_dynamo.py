"""`torch.compile` with the wafer as its backend."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `torch`")

from torch_models import Llama, Mlp  # noqa: E402

from openwafer.nn import Wafer  # noqa: E402
from openwafer.nn.run._dynamo import openwafer  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("kind", (Mlp, Llama))
def test_backend(kind: type) -> None:
    torch.manual_seed(0)
    torch.compiler.reset()
    model = kind().eval()
    x = torch.randn(6, 2, 5) if kind is Mlp else torch.arange(8)[None]
    options = {"wafer": Wafer("wse3", (3, 2)), "engine": "numpy"}
    compiled = torch.compile(model, backend=openwafer, options=options)
    with torch.no_grad():
        found, wanted = compiled(x), model(x)
    assert float((found - wanted).abs().max() / wanted.abs().max()) < 1e-5


def test_backend_on_the_wafer() -> None:
    torch.manual_seed(0)
    torch.compiler.reset()
    model, x = Mlp().eval(), torch.randn(6, 10)
    with torch.no_grad():
        assert torch.allclose(torch.compile(model, backend=openwafer)(x), model(x), atol=1e-6)
