"""Models, machine, system and sweep files and tables that somebody else made: each is a diagnostic or gives a
right result, in bounded time and memory. `transformers`, where it is installed, says what is right."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import random
import resource
import struct
import tempfile
import time
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from campaigns import _tables_and_files as others
from campaigns._values import mutate_bytes, mutate_document, wrong_value
from openwafer.diag import DiagnosticError

NEEDS = ("torch", "safetensors", "tokenizers")
SHARE = 50
LIMIT_S = 120
MEMORY_GIB = 8
MOST_S = 5.0
"""Processor time of one load."""
MOST_MIB = 700
"""What the memory of the process may grow by in one seed."""
KINDS = ("llama", "qwen2", "qwen3", "gpt2")
EXTRA = (
    "quantization_config",
    "rope_scaling",
    "rope_parameters",
    "layer_types",
    "sliding_window",
    "eos_token_id",
    "use_sliding_window",
    "head_dim",
    "partial_rotary_factor",
    "scale_attn_weights",
    "attention_bias",
    "scale_attn_by_inverse_layer_idx",
    "mlp_bias",
    "tie_word_embeddings",
    "num_key_value_heads",
    "n_inner",
    "hidden_act",
    "activation_function",
    "rope_theta",
    "model_type",
    "add_cross_attention",
    "text_config",
)
ROTATIONS: tuple[Any, ...] = (
    {"rope_type": "linear", "factor": 2.0},
    {"type": "linear", "factor": 4},
    {"rope_type": "dynamic", "factor": 2.0},
    {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0},
    {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 4.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16,
    },
    {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16,
        "rope_theta": 500.0,
    },
    {"rope_type": "yarn", "factor": 2.0},
    {"rope_theta": 500.0},
    {"rope_type": "default", "rope_theta": 100.0},
    {"rope_type": "default", "partial_rotary_factor": 0.5, "rope_theta": 10000.0},
)
PLAUSIBLE: dict[str, tuple[Any, ...]] = {
    "scale_attn_weights": (True, False, None),
    "scale_attn_by_inverse_layer_idx": (True, False, None),
    "add_cross_attention": (True, False),
    "use_sliding_window": (True, False, None),
    "sliding_window": (2, 4, None),
    "attention_bias": (True, False),
    "mlp_bias": (True, False),
    "tie_word_embeddings": (True, False),
    "hidden_act": ("gelu", "relu", "silu"),
    "activation_function": ("gelu", "relu", "gelu_new", "silu", "gelu_pytorch_tanh"),
    "rms_norm_eps": (0.0, 0.1, 0.5),
    "layer_norm_epsilon": (0.0, 0.1, 0.5),
    "rope_theta": (3.0, 50.0, 1e6),
    "head_dim": (4, 8, None),
    "num_key_value_heads": (1, 2, 4, None),
    "model_type": KINDS,
    "layer_types": (["full_attention"] * 2, ["full_attention", "sliding_attention"]),
    "rope_parameters": ROTATIONS,
    "rope_scaling": ROTATIONS,
    "partial_rotary_factor": (0.5, 1.0, None),
    "quantization_config": ({"quant_method": "fp8"}, None),
    "max_position_embeddings": (8, 16, 64),
    "n_inner": (24, None),
}
"""Values with which a model may be right, and then is another one."""
GPT_FIELDS = (
    "scale_attn_weights", "scale_attn_by_inverse_layer_idx", "add_cross_attention", "activation_function",
    "layer_norm_epsilon", "n_inner",
)  # fmt: skip
BOTH = ("tie_word_embeddings", "model_type", "quantization_config")
TARGETS = ("/dev/zero", "/etc/hostname", "nowhere", ".", "../outside", "config.json")


def check(seed: int) -> str | None:
    rng = random.Random(seed)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with (
        tempfile.TemporaryDirectory(prefix="model-folders-") as name,
        contextlib.redirect_stderr(io.StringIO()),
    ):
        area = rng.choices((model_folder, others.estimated, others.toml_file, others.table), (70, 15, 12, 3))[
            0
        ]
        fault = area(rng, Path(name))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    if fault is None and grown > MOST_MIB and not first_use():
        fault = f"memory grew by {grown:.0f} MiB"
    return f"{area.__name__}: {fault}" if fault else None


@cache
def _first() -> list[bool]:
    return []


def first_use() -> bool:
    """Whether a library may have been imported in this seed."""
    _first().append(True)
    return len(_first()) == 1


# --- a folder ---


@cache
def valid(kind: str) -> dict[str, bytes]:
    """The files of a small model that is right."""
    import torch

    from openwafer.cli.train import make_config
    from openwafer.nn.models import Checkpoint, contents
    from openwafer.nn.text import characters
    from openwafer.nn.text._trainer import new_model

    tokenizer = characters("abcdefgh ijk.")
    config = make_config(
        tokenizer.get_vocab_size(),
        kind=kind,
        layers=2,
        hidden=16,
        heads=4,
        kv_heads=None if kind == "gpt2" else 2,
        ffn=24,
        context=32,
    )
    model = new_model(config, 7)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    return contents(Checkpoint(config, model, tokenizer))


def model_folder(rng: random.Random, folder: Path) -> str | None:
    valid("llama")
    root = folder / "model"
    root.mkdir()
    for name, data in valid(rng.choice(KINDS)).items():
        (root / name).write_bytes(data)
    if rng.random() < 0.3:
        shard(rng, root)
    done: list[str] = []
    for _ in range(rng.choices((0, 1, 2, 3), (5, 65, 20, 10))[0]):
        mutation = rng.choices(list(MUTATIONS), list(MUTATIONS.values()))[0]
        with contextlib.suppress(Exception):  # what an earlier mutation left may be no place for this one
            done.append(f"{mutation.__name__} {mutation(rng, root)}"[:300])
    if rng.random() < 0.12:
        last = rng.choice(LAST)
        done.append(f"{last.__name__} {last(rng, root)}")
    fault = loaded(rng, root)
    return f"{fault}; {done}" if fault else None


def loaded(rng: random.Random, root: Path) -> str | None:
    from openwafer.nn.models import load

    start = time.process_time()
    try:
        checkpoint = load(root)
    except DiagnosticError as failure:
        checkpoint = None
        if not failure.diagnostics or any(len(d.message) > 3000 for d in failure.diagnostics):
            return f"an unreadable diagnostic: {str(failure)[:200]}"
    except Exception as failure:
        return f"load: {type(failure).__name__}: {str(failure)[:300]}"
    spent = time.process_time() - start
    if spent > MOST_S:
        return f"load took {spent:.1f} s"
    return None if checkpoint is None else compared(rng, root, checkpoint)


def compared(rng: random.Random, root: Path, checkpoint: Any) -> str | None:
    import torch

    config = checkpoint.config
    ids = torch.randint(0, min(config.vocab_size, 13), (1, min(8, config.positions)))
    with torch.no_grad():
        ours = checkpoint.model(ids)
    if not torch.isfinite(ours).all():
        return None
    wanted = theirs(root, ids) if find_spec("transformers") else None
    if wanted is not None and wanted.shape != ours.shape:
        return f"logits {list(ours.shape)}, by transformers {list(wanted.shape)}"
    if wanted is not None and torch.isfinite(wanted).all() and turns(config) < 1e3:
        error = float((ours - wanted).abs().max() / wanted.abs().max().clamp(min=1e-6))
        if error > 1e-3:
            return f"logits differ from those of transformers by {error:.3g}"
    return generated(checkpoint, ids, ours) if rng.random() < 0.04 else None


def turns(config: Any) -> float:
    """The largest angle; where it is large, f32 has no digits left to compare."""
    return 8 * max(config.rotary.frequencies(config.dim), default=0) if hasattr(config, "rotary") else 0


def theirs(root: Path, ids: Any) -> Any:
    """Logits by `transformers`; None where it refuses the folder or fills in weights."""
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        model, told = transformers.AutoModelForCausalLM.from_pretrained(
            root, output_loading_info=True, dtype=torch.float32, attn_implementation="eager"
        )
        if told["missing_keys"] or told["mismatched_keys"]:
            return None
        with torch.no_grad():
            return model.eval()(ids).logits
    except Exception:
        return None


def generated(checkpoint: Any, ids: Any, logits: Any) -> str | None:
    """One token, by the kernels' definitions."""
    from openwafer.nn import Wafer, compile_generation

    prompt = ids[0].tolist()
    if len(prompt) >= checkpoint.config.positions:
        return None
    try:
        generator = compile_generation(
            checkpoint.model, len(prompt) + 1, Wafer("wse3", (2, 2)), engine="numpy"
        )
        (token,) = generator.generate(prompt, 1)
    except DiagnosticError:
        return None
    best, second = logits[0, -1].topk(2).values.tolist()
    wanted = int(logits[0, -1].argmax())
    if token != wanted and best - second > 1e-3 * max(1.0, abs(best)):
        return f"the first token is {token}, by PyTorch {wanted}"
    return None


# --- mutations ---


def shard(rng: random.Random, root: Path) -> None:
    """Two files and an index of them."""
    from safetensors.numpy import load_file, save_file

    path = root / "model.safetensors"
    tensors = load_file(path)
    path.unlink()
    places = {name: f"model-0000{rng.randint(1, 2)}-of-00002.safetensors" for name in sorted(tensors)}
    for file in set(places.values()):
        save_file({n: a for n, a in tensors.items() if places[n] == file}, root / file)
    (root / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


def config_value(rng: random.Random, root: Path) -> str:
    path = root / "config.json"
    document = json.loads(path.read_text("utf-8"))
    key = rng.choice([*document, *EXTRA])
    value = wrong_value(rng)
    if value == "(absent)":
        document.pop(key, None)
    else:
        document[key] = value
    path.write_text(json.dumps(document), "utf-8")
    return f"{key} = {json.dumps(value)[:80]}"


def plausible_value(rng: random.Random, root: Path) -> str:
    """Another model, that is right with the same weights or is refused."""
    path = root / "config.json"
    document = json.loads(path.read_text("utf-8"))
    fit = [
        key for key in PLAUSIBLE if (document["model_type"] == "gpt2") == (key in GPT_FIELDS) or key in BOTH
    ]
    key = rng.choice(fit)
    if key in ("rope_parameters", "rope_scaling") and rng.random() < 0.8:
        document.pop("rope_parameters", None)
    document[key] = rng.choice(PLAUSIBLE[key])
    path.write_text(json.dumps(document), "utf-8")
    return f"{key} = {document[key]}"


def near_value(rng: random.Random, root: Path) -> str:
    """A number that is almost the one that was there."""
    path = root / "config.json"
    document = json.loads(path.read_text("utf-8"))
    key = rng.choice([k for k, v in document.items() if type(v) in (int, float)])
    old = document[key]
    document[key] = rng.choice(
        (old + 1, old - 1, old * 2, -old, old // 2 if type(old) is int else old / 3, float(old))
    )
    path.write_text(json.dumps(document), "utf-8")
    return f"{key} = {document[key]}"


def config_text(rng: random.Random, root: Path) -> str:
    path = root / "config.json"
    path.write_bytes(mutate_bytes(rng, path.read_bytes()))
    return ""


def index_document(rng: random.Random, root: Path) -> str:
    path = root / "model.safetensors.index.json"
    if not path.exists():
        if rng.random() < 0.5:
            path.write_text(json.dumps(wrong_value(rng)), "utf-8")
        return path.read_text("utf-8")[:80] if path.exists() else ""
    document = json.loads(path.read_text("utf-8"))
    places = document["weight_map"]
    match rng.randrange(4):
        case 0:
            places[rng.choice(sorted(places))] = rng.choice(
                (*TARGETS, "/model.safetensors", "", "a\0b", "x" * 5000, 3)
            )
        case 1:
            document["weight_map"] = wrong_value(rng)
        case 2:
            del places[rng.choice(sorted(places))]
        case _:
            document = mutate_document(rng, document)
    path.write_text(json.dumps(document), "utf-8")
    return json.dumps(document)[-80:]


def weights_files(root: Path) -> list[Path]:
    return sorted(p for p in root.glob("*.safetensors") if p.is_file() and not p.is_symlink())


def weights_bytes(rng: random.Random, root: Path) -> str:
    path = rng.choice(weights_files(root))
    path.write_bytes(mutate_bytes(rng, path.read_bytes()))
    return path.name


def weights_header(rng: random.Random, root: Path) -> str:
    """A header that lies, whose length is right."""
    path = rng.choice(weights_files(root))
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    name = rng.choice([n for n in sorted(header) if n != "__metadata__"])
    entry = header[name]
    match rng.randrange(7):
        case 0:
            entry["dtype"] = rng.choice(
                ("F16", "BF16", "I32", "U8", "F64", "F8_E4M3", "BOOL", "F33", "", 3, None)
            )
        case 1:
            entry["shape"] = rng.choice(
                ([], [0], [-1], [2**62, 4], entry["shape"][::-1], [*entry["shape"], 1], "x")
            )
        case 2:
            entry["data_offsets"] = rng.choice(
                ([0, 2**63], [4, 0], [-4, 0], [0, len(body) + 4], [0], None, [0.5, 4])
            )
        case 3:
            del header[name]
        case 4:
            header[rng.choice(("a", "lm_head.weight", "model.layers.9.x", ""))] = header.pop(name)
        case 5:
            other = rng.choice([n for n in sorted(header) if n != "__metadata__"])
            header[name], header[other] = header[other], header[name]
        case _:
            header = mutate_document(rng, header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return json.dumps(entry)


def weights_length(rng: random.Random, root: Path) -> str:
    path = rng.choice(weights_files(root))
    length = rng.choice((0, 1, 2**24, 2**27, 2**31, 2**63, 2**64 - 1, rng.randrange(2**12)))
    path.write_bytes(struct.pack("<Q", length) + path.read_bytes()[8:])
    return str(length)


def weights_numbers(rng: random.Random, root: Path) -> str:
    """One number is NaN, infinite, or merely another."""
    path = rng.choice(weights_files(root))
    data = bytearray(path.read_bytes())
    first = 8 + struct.unpack("<Q", data[:8])[0]
    at = first + 4 * rng.randrange((len(data) - first) // 4)
    value = rng.choice((math.nan, math.inf, -math.inf, 0.5, -2.0))
    data[at : at + 4] = struct.pack("<f", value)
    path.write_bytes(data)
    return str(value)


def weights_type(rng: random.Random, root: Path) -> str:
    """All weights of a file in another type."""
    import torch
    from safetensors.torch import load_file, save_file

    path = rng.choice(weights_files(root))
    kind = rng.choice((torch.float16, torch.bfloat16, torch.float64, torch.int32, torch.bool))
    save_file({name: tensor.to(kind) for name, tensor in load_file(path).items()}, path)
    return str(kind)


def tokenizer_bytes(rng: random.Random, root: Path) -> str:
    path = root / "tokenizer.json"
    path.write_bytes(mutate_bytes(rng, path.read_bytes()))
    return ""


def tokenizer_document(rng: random.Random, root: Path) -> str:
    path = root / "tokenizer.json"
    document = json.loads(path.read_text("utf-8"))
    match rng.randrange(4):
        case 0:
            document["model"]["vocab"] = {f"t{i}": i for i in range(rng.choice((0, 1, 14, 5000, 200_000)))}
        case 1:
            document["truncation"] = {
                "direction": "Right",
                "max_length": 1,
                "strategy": "LongestFirst",
                "stride": 0,
            }
        case 2:
            document["added_tokens"] = wrong_value(rng)
        case _:
            document = mutate_document(rng, document)
    path.write_text(json.dumps(document), "utf-8")
    return ""


def another_kind(rng: random.Random, root: Path) -> str:
    """A file is gone, a link, a pipe or a folder."""
    path = rng.choice(sorted(root.iterdir()))
    data = path.read_bytes() if path.is_file() else b""
    path.unlink()
    match rng.randrange(5):
        case 0:
            pass
        case 1:
            os.mkfifo(path)
        case 2:
            path.mkdir()
        case 3:
            path.symlink_to(rng.choice(TARGETS))
        case _:
            outside = root.parent / "outside"
            outside.write_bytes(data)
            path.symlink_to(outside)
    return path.name


def large_file(rng: random.Random, root: Path) -> str:
    """Larger than anything that is read, without taking room on the disk."""
    path = rng.choice(sorted(p for p in root.iterdir() if p.is_file()))
    os.truncate(path, rng.choice((2**21, 2**28, 2**33)))
    return path.name


def foreign_files(rng: random.Random, root: Path) -> str:
    """A file of a model of another kind."""
    files = valid(rng.choice(KINDS))
    name = rng.choice(sorted(files))
    (root / name).write_bytes(files[name])
    return name


MUTATIONS: dict[Callable[[random.Random, Path], str], int] = {
    config_value: 20,
    plausible_value: 25,
    near_value: 12,
    config_text: 5,
    index_document: 8,
    weights_bytes: 8,
    weights_header: 14,
    weights_length: 3,
    weights_numbers: 6,
    weights_type: 4,
    tokenizer_bytes: 4,
    tokenizer_document: 6,
    foreign_files: 4,
}
LAST: tuple[Callable[[random.Random, Path], str], ...] = (another_kind,) * 3 + (large_file,)
"""Pipes and files without end, which the mutations above would wait for and read."""
