"""Directories that somebody else made: each fault is told with its file, key and value, before anything large
is made."""

from __future__ import annotations

import json
import math
import os
import resource
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `torch`")

from safetensors.torch import load_file, save_file  # noqa: E402

from openwafer.cli.train import make_config  # noqa: E402
from openwafer.diag import Diagnostic, DiagnosticError  # noqa: E402
from openwafer.nn.models import Checkpoint, LlamaConfig, load, read_config, save  # noqa: E402
from openwafer.nn.text import characters, encode  # noqa: E402
from openwafer.nn.text._trainer import new_model  # noqa: E402

pytestmark = pytest.mark.torch
SIZES: dict[str, Any] = {"layers": 2, "hidden": 16, "heads": 4, "ffn": 24, "context": 32}
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"


def write(root: Path, kind: str = "llama") -> Path:
    tokenizer = characters("abcdef")
    config = make_config(
        tokenizer.get_vocab_size(), kind=kind, kv_heads=None if kind == "gpt2" else 2, **SIZES
    )
    save(Checkpoint(config, new_model(config, 1), tokenizer), root)
    return root


def told(root: Path) -> Diagnostic:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DiagnosticError) as failure:
        load(root)
    grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mib < 300
    (diagnostic,) = failure.value.diagnostics
    return diagnostic


def change(root: Path, **fields: Any) -> None:
    path = root / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | fields), "utf-8")


ROTATION = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0}
LLAMA: list[tuple[dict[str, Any], str, str]] = [
    ({"num_attention_heads": 0}, "config-keys", "`num_attention_heads` is `0`: expected `int` >= 1"),
    ({"num_key_value_heads": 0}, "config-keys", "`num_key_value_heads` is `0`"),
    ({"num_attention_heads": 3, "num_key_value_heads": 1}, "config-keys", "16 is no multiple of 3"),
    ({"hidden_size": -4}, "config-keys", "`hidden_size` is `-4`"),
    ({"head_dim": 5}, "config-keys", "5 features cannot turn in pairs"),
    ({"vocab_size": 10**11}, "config-keys", "<= 16777216"),
    ({"vocab_size": True}, "config-keys", "got `bool`"),
    ({"vocab_size": 48.0}, "config-keys", "got `float`"),
    ({"intermediate_size": "24"}, "config-keys", "got `str`"),
    ({"num_hidden_layers": 10**8}, "config-keys", "<= 4096"),
    ({"num_hidden_layers": 4000}, "weights-missing", "4,000 layers cannot be in files of"),
    ({"hidden_size": 2**20, "intermediate_size": 2**20}, "weights-shape", "[6, 1048576]"),
    ({"rms_norm_eps": -1}, "config-keys", ">= 0"),
    ({"rms_norm_eps": math.nan}, "config-keys", "rms_norm_eps"),
    ({"rope_parameters": {"rope_theta": 0}}, "config-keys", "`rope_parameters.rope_theta` is `0`"),
    ({"rope_parameters": {"rope_theta": math.inf}}, "config-keys", "rope_theta"),
    ({"rope_parameters": {"rope_type": "yarn"}}, "config-keys", "allowed are default, linear, llama3"),
    ({"rope_parameters": {"partial_rotary_factor": 0.5}}, "config-keys", "partial_rotary_factor"),
    ({"rope_parameters": ROTATION}, "config-keys", "without `high_freq_factor`"),
    ({"rope_parameters": ROTATION | {"high_freq_factor": 1}}, "config-keys", "is not below"),
    ({"rope_scaling": {"type": "linear", "factor": 2}}, "config-unsupported", "beside"),
    ({"rope_parameters": None, "rope_scaling": {"type": "linear"}}, "config-keys", "without `factor`"),
    ({"quantization_config": {"quant_method": "fp8"}}, "config-unsupported", "quantization_config"),
    ({"layer_types": ["full_attention", "sliding_attention"]}, "config-unsupported", "sliding_attention"),
    ({"use_sliding_window": True}, "config-unsupported", "use_sliding_window"),
    ({"partial_rotary_factor": 0.5}, "config-unsupported", "partial_rotary_factor"),
    ({"model_type": ["llama"]}, "config-unsupported", "llama"),
    ({"eos_token_id": [1, "x"]}, "config-keys", "`eos_token_id[1]`"),
]  # fmt: skip
GPT: list[tuple[dict[str, Any], str, str]] = [
    ({"n_head": 3}, "config-keys", "16 features (`n_embd`) are no multiple of 3 heads"),
    ({"n_layer": 10**8}, "config-keys", "<= 4096"),
    ({"scale_attn_weights": False}, "config-unsupported", "`scale_attn_weights` = false"),
    ({"scale_attn_by_inverse_layer_idx": True}, "config-unsupported", "inverse_layer_idx"),
    ({"add_cross_attention": True}, "config-unsupported", "add_cross_attention"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "id", "words"), LLAMA, ids=lambda v: str(v)[:50])
def test_configs(tmp_path: Path, fields: dict[str, Any], id: str, words: str) -> None:
    change(write(tmp_path), **fields)
    found = told(tmp_path)
    assert found.id == id and words in found.message and str(tmp_path) in found.message


@pytest.mark.parametrize(("fields", "id", "words"), GPT, ids=lambda v: str(v)[:50])
def test_configs_of_gpt2(tmp_path: Path, fields: dict[str, Any], id: str, words: str) -> None:
    change(write(tmp_path, "gpt2"), **fields)
    found = told(tmp_path)
    assert found.id == id and words in found.message


def test_rotations_as_transformers_reads_them(tmp_path: Path) -> None:
    """What one field does not say, another does."""
    write(tmp_path)
    change(tmp_path, rope_parameters={"rope_type": "default"}, rope_theta=500.0)
    config = read_config(tmp_path)
    assert isinstance(config, LlamaConfig) and config.rotary.rope_theta == 500.0
    change(tmp_path, rope_parameters=ROTATION | {"high_freq_factor": 4.0}, max_position_embeddings=64)
    config = read_config(tmp_path)
    assert isinstance(config, LlamaConfig) and config.rotary.original_max_position_embeddings == 64
    change(tmp_path, rope_parameters={"rope_type": "default"}, model_type="qwen3", head_dim=None)
    assert getattr(read_config(tmp_path), "head_dim", None) == 128


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"model\xff": 1}', "is not UTF-8: byte 7 (line 1) is 0xff"),
        (b'{"a":' * 50_000, "nested more than 32 deep"),
        (b"[]", "expected a JSON object"),
        (b" " * 2**21, "it has 2,097,152 bytes, allowed are 1,048,576"),
    ],
    ids=["not UTF-8", "deep", "a list", "large"],
)
def test_configs_that_are_none(tmp_path: Path, data: bytes, words: str) -> None:
    (write(tmp_path) / "config.json").write_bytes(data)
    found = told(tmp_path)
    assert found.id == "config-unreadable" and words in found.message


@pytest.mark.parametrize("name", ["config.json", WEIGHTS, INDEX, "tokenizer.json"])
@pytest.mark.parametrize("target", ["/dev/zero", "/etc/hostname", "../outside", "pipe", "directory"])
def test_files_that_are_elsewhere_or_none(tmp_path: Path, name: str, target: str) -> None:
    path = write(tmp_path / "model") / name
    (tmp_path / "outside").write_bytes(path.read_bytes() if path.exists() else b"{}")
    path.unlink(missing_ok=True)
    match target:
        case "pipe":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case _:
            path.symlink_to(target)
    found = told(tmp_path / "model")
    assert found.id in ("config-unreadable", "weights-unreadable", "tokenizer-unreadable")
    assert str(path) in found.message or f"`{name}` is outside" in found.message


@pytest.mark.parametrize(
    "index",
    [None, [], {"weight_map": []}, {"weight_map": {"a": 1}}, {"weight_map": None}, {},
     {"weight_map": {"a": "../x.safetensors"}}, {"weight_map": {"a": "/dev/zero"}},
     {"weight_map": {"a": "none.safetensors"}}, {"weight_map": {"a": "config.json"}}],
)  # fmt: skip
def test_indices(tmp_path: Path, index: Any) -> None:
    (write(tmp_path) / INDEX).write_text(json.dumps(index), "utf-8")
    assert told(tmp_path).id == "weights-unreadable"


def test_shards(tmp_path: Path) -> None:
    tensors = load_file(write(tmp_path) / WEIGHTS)
    wanted = load(tmp_path).model.state_dict()
    (tmp_path / WEIGHTS).unlink()
    places = {name: f"{i % 2}.safetensors" for i, name in enumerate(tensors)}
    for file in ("0.safetensors", "1.safetensors"):
        save_file({n: t for n, t in tensors.items() if places[n] == file}, tmp_path / file)
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": places}), "utf-8")
    found = load(tmp_path).model.state_dict()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def set_header(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    edit(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


NORM = "model.norm.weight"
HEADERS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "outside": (lambda h: h[NORM].update(data_offsets=[0, 10**12]), "weights-unreadable"),
    "backwards": (lambda h: h[NORM].update(data_offsets=[64, 0]), "weights-unreadable"),
    "overlapping": (lambda h: h.update(extra=h[NORM]), "weights-unreadable"),
    "huge": (lambda h: h[NORM].update(shape=[2**62, 4]), "weights-unreadable"),
    "negative": (lambda h: h[NORM].update(shape=[-16]), "weights-unreadable"),
    "no type": (lambda h: h[NORM].update(dtype="F33"), "weights-unreadable"),
    "integers": (lambda h: h[NORM].update(dtype="I32"), "weights-type"),
    "another shape": (lambda h: h[NORM].update(shape=[4, 4]), "weights-shape"),
    "another name": (lambda h: h.update(x=h.pop(NORM)), "weights-missing"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_lie(tmp_path: Path, name: str) -> None:
    edit, id = HEADERS[name]
    set_header(write(tmp_path) / WEIGHTS, edit)
    assert told(tmp_path).id == id


def test_weights_that_are_much_larger_than_their_header_says(tmp_path: Path) -> None:
    """The file takes no room on the disk, and reading it would take all memory."""
    os.truncate(write(tmp_path) / WEIGHTS, 2**40)
    assert told(tmp_path).id == "weights-unreadable"


@pytest.mark.parametrize("length", [0, 1, 2**24 + 1, 2**31, 2**63, 2**64 - 1])
def test_lengths_of_headers(tmp_path: Path, length: int) -> None:
    path = write(tmp_path) / WEIGHTS
    path.write_bytes(struct.pack("<Q", length) + path.read_bytes()[8:])
    assert told(tmp_path).id == "weights-unreadable"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite(tmp_path: Path, value: float) -> None:
    path = write(tmp_path) / WEIGHTS
    tensors = load_file(path)
    tensors["model.layers.1.mlp.up_proj.weight"][3, 2] = value
    save_file(tensors, path)
    found = told(tmp_path)
    assert found.id == "weights-not-finite" and f"is {value} at [3, 2]" in found.message


def test_unused_weights_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path)
    load(tmp_path)
    assert capsys.readouterr().err == ""
    change(tmp_path, num_hidden_layers=1)
    load(tmp_path)
    printed = capsys.readouterr().err
    assert "warning[weights-unused]" in printed and "`model.layers.1." in printed


def test_tokenizers(tmp_path: Path) -> None:
    path = write(tmp_path) / "tokenizer.json"
    document = json.loads(path.read_text("utf-8"))
    cut = {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}
    path.write_text(json.dumps(document | {"truncation": cut}), "utf-8")
    assert len(encode(load(tmp_path).tokenizer, "abcdef")) == 6
    for text in ("[]", "{}", "", "[" * 10_000, json.dumps(document | {"model": None})):
        path.write_text(text, "utf-8")
        assert told(tmp_path).id == "tokenizer-unreadable"
    path.write_bytes(b"\xff")
    assert "byte 0" in told(tmp_path).message
    os.truncate(path, 2**27)
    assert "allowed are 67,108,864" in told(tmp_path).message


def test_a_file_that_cannot_be_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import safetensors

    def fails(*_: Any) -> None:
        raise MemoryError("Cannot allocate memory")

    write(tmp_path)
    monkeypatch.setattr(safetensors, "safe_open", fails)
    assert told(tmp_path).id == "not-enough-memory"
