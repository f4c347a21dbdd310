"""Wrong arguments of the functions that users call are diagnostics that say what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `torch`")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torch_models import Gpt  # noqa: E402

from openwafer.diag import DiagnosticError  # noqa: E402
from openwafer.machine import load_machine  # noqa: E402
from openwafer.nn import Wafer, compile, compile_generation, compile_training  # noqa: E402
from openwafer.nn._sampling import sampling  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
SMALL: Any = Wafer("wse3", (2, 2))
LINEAR, X = nn.Linear(4, 4), torch.ones(3, 4)
anything: Any = compile
DOUBLE, TABLE, ID = nn.Linear(4, 4).double(), nn.Embedding(5, 4), torch.tensor([1])
any_generation: Any = compile_generation
any_wafer: Any = Wafer


def training(
    *, model: Any = LINEAR, loss: Any = F.mse_loss, optimizer: Any = None, wafer: Any = SMALL
) -> Any:
    return compile_training(model, loss, optimizer, (X, X), wafer)


class Scaled(nn.Module):
    def forward(self, x: Any, factor: float) -> Any:
        return x * factor


def compiled(model: Any = LINEAR, *inputs: Any) -> Any:
    return compile(model, inputs or (X,), SMALL, engine="numpy")


def generator(**options: Any) -> Any:
    torch.manual_seed(0)
    return compile_generation(Gpt().eval(), options.pop("context", 8), SMALL, engine="numpy", **options)


CASES: dict[str, tuple[Callable[[], Any], str, str]] = {
    "shape as two numbers": (lambda: any_wafer(8, 8), "wafer-argument", "8"),
    "shape as a number": (lambda: any_wafer("wse3", 8), "wafer-argument", "8"),
    "shape of floats": (lambda: any_wafer("wse3", (2.0, 2)), "wafer-argument", "2.0"),
    "shape of three": (lambda: any_wafer("wse3", (2, 2, 2)), "wafer-argument", "(2, 2, 2)"),
    "no PEs": (lambda: any_wafer("wse3", (0, 2)), "wafer-shape", "0 × 2"),
    "a name for a wafer": (lambda: anything(LINEAR, (X,), wafer="wse3"), "wafer-argument", "'wse3'"),
    "a shape for a wafer": (lambda: anything(LINEAR, (X,), (2, 2)), "wafer-argument", "(2, 2)"),
    "a wafer for training": (lambda: training(wafer="wse3"), "wafer-argument", "wse3"),
    "a wafer for text": (lambda: any_generation(Gpt(), 8, "wse3"), "wafer-argument", "wse3"),
    "profile first": (lambda: compile(LINEAR, (X,), SMALL).profile(), "not-run", "not run"),
    "profile by": (lambda: compile(LINEAR, (X,), SMALL).profile("line"), "host-argument", "`line`"),  # type: ignore[arg-type]
    "profile without cycles": (lambda: compiled().profile(), "host-argument", "numpy"),
    "engine": (lambda: anything(LINEAR, (X,), SMALL, engine="slow"), "host-argument", "slow"),
    "threads": (lambda: anything(LINEAR, (X,), SMALL, threads=0), "host-argument", "0"),
    "storage": (lambda: anything(LINEAR, (X,), SMALL, dtype="f64"), "host-argument", "f64"),
    "no model": (lambda: anything(3, (X,), SMALL), "capture-failed", "int"),
    "no model to train": (lambda: training(model=len), "capture-failed", "builtin"),
    "no loss": (lambda: training(loss="mse"), "host-argument", "mse"),
    "no optimizer": (lambda: training(optimizer="SGD"), "unsupported-optimizer", "str"),
    "examples by name": (lambda: anything(LINEAR, {"x": X}, SMALL), "input-type", "dict"),
    "an array as example": (lambda: anything(LINEAR, (X.numpy(),), SMALL), "input-type", "NumPy"),
    "a float64 model": (lambda: compiled(DOUBLE, X.double()), "unsupported-dtype", "float64"),
    "an extra input": (lambda: compiled()(X, 3), "input-count", "1 inputs, found 2"),
    "no input": (lambda: compiled()(), "input-count", "found 0"),
    "an input by name": (lambda: compiled()(x=X), "input-type", "`x`"),
    "an array": (lambda: compiled()(X.numpy()), "input-type", "NumPy"),
    "a number": (lambda: compiled()(3.0), "input-type", "3.0"),
    "a wider type": (lambda: compiled()(X.double()), "input-dtype", "float64"),
    "a narrower type": (lambda: compiled()(X.bfloat16()), "input-dtype", "bfloat16"),
    "whole numbers": (lambda: compiled()(X.long()), "input-dtype", "int64"),
    "another shape": (lambda: compiled()(X[:2]), "input-shape", "[2, 4]"),
    "nested inputs": (lambda: compiled()((X,)), "input-type", "compiled for inputs"),
    "another number": (lambda: compiled(Scaled(), X, 2.0)(X, 3.0), "input-constant", "`3.0`"),
    "an input with a gradient": (lambda: compiled()(X.clone().requires_grad_()), "no-gradient", "gradient"),
    "a large id": (lambda: compiled(TABLE, ID)(ID + 2**32), "id-out-of-range", "4294967297"),
    "an empty prompt": (lambda: generator().generate([], 3), "prompt-empty", "one token"),
    "no tokens": (lambda: generator().feed([]), "prompt-empty", "one token"),
    "a text": (lambda: generator().generate("hello", 3), "input-type", "hello"),
    "a token too large": (lambda: generator().feed([99]), "id-out-of-range", "99"),
    "a negative token": (lambda: generator().feed([-1]), "id-out-of-range", "-1"),
    "half a token": (lambda: generator().feed([1.5]), "input-type", "1.5"),
    "fewer than no tokens": (lambda: generator().generate([1], -1), "host-argument", "-1"),
    "beyond the context": (lambda: generator().generate([1, 2], 8), "context-full", "2 tokens and 8 more"),
    "a long prompt": (lambda: generator().feed([1] * 9), "context-full", "9 tokens"),
    "beyond the positions": (lambda: generator(context=17), "context-full", "16 positions"),
    "no context": (lambda: generator(context=0), "host-argument", "0"),
    "no prefill": (lambda: generator(prefill=0), "host-argument", "0"),
    "no such entry": (lambda: generator().profile("train"), "host-argument", "`train`"),
    "temperature": (lambda: sampling(0.0), "host-argument", "0.0"),
    "top k": (lambda: sampling(1.0, top_k=0), "host-argument", "0"),
    "top p": (lambda: sampling(1.0, top_p=1.5), "host-argument", "1.5"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_wrong_arguments(case: str) -> None:
    call, id, words = CASES[case]
    with pytest.raises(DiagnosticError) as caught:
        call()
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.id == id and words in diagnostic.message


def test_numbers_are_not_rounded_without_a_word() -> None:
    class Rounded(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.to(torch.bfloat16).float() * 2

    with pytest.raises(DiagnosticError, match="bfloat16"):
        compile(Rounded(), (X,), SMALL)
    run = compiled()
    with torch.autocast("cpu"):
        for call in (lambda: run(X), lambda: compile(LINEAR, (X,), SMALL)):
            with pytest.raises(DiagnosticError, match="autocast"):
                call()


def test_results_have_the_type_of_pytorch() -> None:
    model, x = nn.Linear(4, 4).bfloat16(), X.bfloat16()
    found, wanted = compiled(model, x)(x), model(x)
    assert found.dtype == wanted.dtype
    assert torch.allclose(found.float(), wanted.float(), atol=2**-7 * float(wanted.abs().max()))


def test_no_new_tokens_and_the_last_position() -> None:
    text = generator()
    assert list(text.generate([1, 2], 0)) == [] and text.length == 0
    assert len(list(text.generate([1, 2], 7))) == 7
    assert len(list(generator().generate(torch.tensor([1, 2]), 3))) == 3
    assert len(list(generator().generate(np.array([1, 2]), 12, slides=True))) == 12


# --- machines of one's own ---

QUICK = """base = "wse3"
name = "{name}"
[fabric]
hop_cycles = {{ value = {hop}, unit = "cycles", source = "what if", status = "assumed" }}
"""


def machine_file(directory: Path, file: str, hop: int, name: str = "own") -> str:
    (directory / file).write_text(QUICK.format(name=name, hop=hop), "utf-8")
    return str(directory / file)


def cycles(wafer: Wafer, engine: Any = "fast") -> int:
    torch.manual_seed(0)
    run = compile(nn.Linear(8, 8), (torch.ones(2, 8),), wafer, engine=engine)
    run(torch.ones(2, 8))
    return run.cycles


def test_a_machine_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By relative path, absolute path, `Path` and as a machine; it is read once."""
    path = machine_file(tmp_path, "quick.toml", 9)
    monkeypatch.chdir(tmp_path)
    machines: tuple[Any, ...] = ("quick.toml", path, Path(path), load_machine(path))
    wafers = [Wafer(machine, (4, 2)) for machine in machines]
    (tmp_path / "quick.toml").unlink()
    (own,) = {cycles(wafer) for wafer in wafers}
    assert own > cycles(Wafer("wse3", (4, 2)))
    assert own == cycles(wafers[0], "reference")


def test_a_file_with_the_name_of_a_built_in_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its path is its own facts, in compiling and in simulating; the bare name is the built-in machine."""
    machine_file(tmp_path, "wse3", 9, name="wse3")
    monkeypatch.chdir(tmp_path)
    built_in, own = (cycles(Wafer(machine, (4, 2))) for machine in ("wse3", "./wse3"))
    assert own > built_in == cycles(Wafer("wse3", (4, 2)))
    assert own == cycles(Wafer(load_machine("./wse3"), (4, 2)))


def test_the_plan_follows_the_machine(tmp_path: Path) -> None:
    path = machine_file(tmp_path, "far.toml", 50)
    model = compile(nn.Linear(8, 8), (torch.ones(2, 8),), Wafer(path, (4, 2)))
    usual = compile(nn.Linear(8, 8), (torch.ones(2, 8),), Wafer("wse3", (4, 2)))
    assert "PEs of own" in str(model.plan())
    assert model.plan().collectives[0].cycles > usual.plan().collectives[0].cycles
