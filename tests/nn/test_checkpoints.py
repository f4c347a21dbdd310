"""Directories as the library `transformers` writes them: logits and texts are those of `transformers`
itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `torch`")
transformers = pytest.importorskip("transformers", reason="needs the extra `dev`")

from openwafer.diag import DiagnosticError  # noqa: E402
from openwafer.nn import Wafer, compile, compile_generation  # noqa: E402
from openwafer.nn.models import load, save  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
VOCABULARY = 97
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "bos_token_id": None,
    "eos_token_id": None,
}
SLOWED = {
    "rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
}  # fmt: skip
KINDS = ("llama", "llama, scaled", "qwen2", "qwen3", "gpt2")
MESHES = ((4, 4), (7, 5), (16, 16))


def make(kind: str) -> Any:
    t = transformers
    match kind:
        case "llama":
            return t.LlamaForCausalLM(t.LlamaConfig(**SIZES))
        case "llama, scaled":
            return t.LlamaForCausalLM(t.LlamaConfig(**SIZES, rope_parameters=SLOWED, attention_bias=True))
        case "qwen2":
            return t.Qwen2ForCausalLM(t.Qwen2Config(**SIZES, tie_word_embeddings=True))
        case "qwen3":
            return t.Qwen3ForCausalLM(t.Qwen3Config(**SIZES, head_dim=16))
        case _:
            sizes = {"n_embd": 48, "n_layer": 2, "n_head": 6, "n_positions": 128}
            ids = {"bos_token_id": None, "eos_token_id": None}
            return t.GPT2LMHeadModel(t.GPT2Config(vocab_size=VOCABULARY, **sizes, **ids))


def write(kind: str, directory: Path) -> Any:
    """The model of `transformers`, with layers that change so much that texts do not repeat one token."""
    torch.manual_seed(1)
    model = make(kind).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 and "wte" not in name and "embed_tokens" not in name:
                parameter.mul_(6)
    model.save_pretrained(directory)
    return model


def prompt(count: int) -> Any:
    return torch.randint(0, VOCABULARY, (1, count), generator=torch.Generator().manual_seed(0))


def logits_of(model: Any, ids: Any) -> Any:
    with torch.no_grad():
        return model(ids).logits


def check_logits(found: Any, wanted: Any) -> None:
    assert float((found - wanted).abs().max() / wanted.abs().max()) < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_logits_by_definition(tmp_path: Path, kind: str) -> None:
    wanted = logits_of(write(kind, tmp_path), prompt(16))
    model = load(tmp_path).model
    compiled = compile(model, (prompt(16),), Wafer("wse3", (7, 5)), engine="numpy")
    check_logits(compiled(prompt(16)), wanted)


def greedy(model: Any, ids: Any, count: int) -> list[int]:
    with torch.no_grad():
        text = model.generate(
            ids, max_new_tokens=count, min_new_tokens=count, do_sample=False, pad_token_id=0
        )
    return text[0, ids.shape[1] :].tolist()


def check_text(directory: Path, kind: str, shape: tuple[int, int], engine: Any) -> None:
    theirs = write(kind, directory)
    wanted = greedy(theirs, prompt(12), 64)
    assert len(set(wanted)) > 2
    generator = compile_generation(load(directory).model, 96, Wafer("wse3", shape), engine=engine)
    assert list(generator.generate(prompt(12)[0].tolist(), 64)) == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_text_by_definition(tmp_path: Path, kind: str) -> None:
    check_text(tmp_path, kind, (4, 4), "numpy")


@pytest.mark.parametrize("kind", ("llama", "gpt2"))
def test_on_the_wafer(tmp_path: Path, kind: str) -> None:
    check_text(tmp_path, kind, (7, 5), "fast")


@pytest.mark.slow
@pytest.mark.parametrize("shape", MESHES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_on_the_wafer_on_all_meshes(tmp_path: Path, kind: str, shape: tuple[int, int]) -> None:
    check_text(tmp_path, kind, shape, "fast")
    wanted = logits_of(write(kind, tmp_path), prompt(16))
    check_logits(compile(load(tmp_path).model, (prompt(16),), Wafer("wse3", shape))(prompt(16)), wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_what_we_save_transformers_reads(tmp_path: Path, kind: str) -> None:
    wanted = logits_of(write(kind, tmp_path / "a"), prompt(9))
    save(load(tmp_path / "a"), tmp_path / "b")
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "b").eval()
    assert torch.equal(logits_of(again, prompt(9)), wanted)
    assert sorted(p.name for p in (tmp_path / "b").iterdir()) == ["config.json", "model.safetensors"]


def change_config(directory: Path, **changes: Any) -> None:
    path = directory / "config.json"
    document = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({k: v for k, v in document.items() if v is not None}))


def truncate(directory: Path) -> None:
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def foreign_tokenizer(directory: Path) -> None:
    tokens = {f"t{i}": i for i in range(200)}
    model = {"type": "WordLevel", "vocab": tokens, "unk_token": "t0"}
    (directory / "tokenizer.json").write_text(
        json.dumps({"version": "1.0", "added_tokens": [], "model": model})
    )


BROKEN: dict[str, tuple[Any, str, str]] = {
    "no config": (lambda d: (d / "config.json").unlink(), "config-unreadable", "config.json"),
    "config is no JSON": (lambda d: (d / "config.json").write_text("{"), "config-unreadable", "config.json"),
    "missing key": (lambda d: change_config(d, hidden_size=None), "config-keys", "`hidden_size`"),
    "wrong type": (lambda d: change_config(d, hidden_size="48"), "config-keys", "hidden_size"),
    "another kind": (lambda d: change_config(d, model_type="mamba"), "config-unsupported", "`mamba`"),
    "odd groups": (lambda d: change_config(d, num_key_value_heads=4), "config-keys", "evenly"),
    "no weights": (lambda d: (d / "model.safetensors").unlink(), "weights-unreadable", "model.safetensors"),
    "truncated weights": (truncate, "weights-unreadable", "model.safetensors"),
    "other shape": (lambda d: change_config(d, intermediate_size=81), "weights-shape", "[80, 48]"),
    "more layers": (lambda d: change_config(d, num_hidden_layers=3), "weights-missing", "layers.2"),
    "broken tokenizer": (
        lambda d: (d / "tokenizer.json").write_text("[]"), "tokenizer-unreadable", "tokenizer.json",
    ),
    "foreign tokenizer": (foreign_tokenizer, "tokenizer-mismatch", "199"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_directories(tmp_path: Path, name: str) -> None:
    damage, id, words = BROKEN[name]
    write("llama", tmp_path)
    damage(tmp_path)
    with pytest.raises(DiagnosticError) as caught:
        load(tmp_path)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.id == id and words in diagnostic.message
