"""Mutations of an image's files, and their sealing: what somebody could send.

A `Files` is an image taken apart into values that msgpack, JSON and NumPy know: `body`, `head`, `facts`, and
`arrays` or the bytes of a whole `.npz`. Mutations know the structure, not the meaning.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from openwafer.diag import DiagnosticError
from openwafer.image._files import ARRAYS, HEADER, MACHINE, PARTS, PROGRAMS, Header, checksum
from openwafer.machine import from_document

NUMBERS = (
    0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 17, 24, 30, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 1023,
    4096, 32767, 32768, 49152, 65534, 65535, 65536, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 <<
    32, 1 << 40, 1 << 62, (1 << 63) - 1, -1, -2, -3, -8, -32768, -32769, -65536, -(1 << 31), -(1 << 40),
    -(1 << 63),
)  # fmt: skip
FLOATS = (
    0.0,
    -0.0,
    1.5,
    65504.0,
    65520.0,
    1e39,
    -1e300,
    float("inf"),
    float("-inf"),
    float("nan"),
    2**24 + 1.0,
)
TEXTS = (
    "", "u16", "i16", "u32", "i32", "u64", "i64", "u8", "i1", "u1", "u0", "u65", "i128", "f16", "f32",
    "f64", "bool", "dsd", "void", "in", "out", "func", "var", "ptr", "data", "local", "control", "wse2",
    "wse3", "wse4", "add", "sub", "div", "rem", "shl", "lt", "and", "neg", "not", "inv", "sqrt", "max",
    "popcnt", "fadds", "mov16", "mov32", "fmacs", "fmach", "add16", "terminate", "suspend", "fault",
    "test_or_suspend", "d", "X", "b", "f", "dest:0", "src1:2", "../../etc/passwd", "/etc/passwd",
    "/dev/zero", "\x1b[31m", "[/x]", "\ud7ff", "x" * 70_000, "Const", "Param", "Coord", "Addr", "Local",
    "Load", "Unary", "Binary", "Cast", "Bitcast", "Select", "Intrinsic", "DsdMake", "DsdWith", "DsdGet",
    "Dsd", "Dsr", "Scalar", "Pointer", "Set", "Store", "Copy", "If", "Loop", "Block", "Break",
    "Continue", "Return", "Call", "DsdOp", "Tick", "Yield", "Count", "Print", "Random16", "SeedRandom",
)  # fmt: skip
MOST_ADDED_BYTES = 20_000
"""So much one mutation makes a file grow: the campaign is of wrong images, not of long ones."""
Mutation = Callable[["Files", random.Random], None]


@dataclass
class Files:
    """An image taken apart; `raw` are files that are written as they are."""

    body: Any
    head: dict[str, Any]
    facts: dict[str, Any]
    arrays: dict[str, Any]
    raw: dict[str, bytes]

    @classmethod
    def of(cls, directory: Path) -> Files:
        arrays = dict(np.load(directory / ARRAYS))
        head, facts = (msgspec.json.decode((directory / name).read_bytes()) for name in (HEADER, MACHINE))
        return cls(msgspec.msgpack.decode((directory / PROGRAMS).read_bytes()), head, facts, arrays, {})

    def copy(self) -> Files:
        packed = msgspec.msgpack.encode((self.body, self.head, self.facts))
        return Files(*msgspec.msgpack.decode(packed), dict(self.arrays), {})

    def write(self, directory: Path, *, rehash: bool) -> None:
        """Writes the files with valid checksums; with `rehash` the header has the hash of the facts."""
        packed = io.BytesIO()
        np.savez(packed, **self.arrays)
        files = {
            PROGRAMS: msgspec.msgpack.encode(self.body),
            ARRAYS: packed.getvalue(),
            MACHINE: json.dumps(self.facts, default=str).encode(),
        } | self.raw
        if rehash:
            self._hash()
        self.head["files"] = {name: checksum(files[name]) for name in PARTS}
        files[HEADER] = self._sealed()
        for name, data in files.items():
            (directory / name).write_bytes(data)

    def _hash(self) -> None:
        with contextlib.suppress(DiagnosticError, TypeError, AttributeError, KeyError):
            self.head["machine_hash"] = from_document(self.facts, "", "").hash()

    def _sealed(self) -> bytes:
        try:
            header = msgspec.convert({**self.head, "digest": ""}, Header)
        except msgspec.ValidationError:
            return json.dumps(self.head, default=str).encode()
        return msgspec.json.encode(header.sealed())


def mutated(files: Files, rng: random.Random) -> Files:
    """A copy with one to four mutations."""
    changed = files.copy()
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        kind = rng.choices(MUTATIONS, WEIGHTS)[0]
        kind(changed, rng)
    return changed


# --- trees -----------------------------------------------------------------


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """All (container, key) of a tree."""
    stack = [tree]
    while stack:
        item = stack.pop()
        keys = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
        for key, value in keys:
            yield item, key
            stack.append(value)


def _place(tree: Any, rng: random.Random) -> tuple[Any, Any] | None:
    """A place: half of the time any, else one reached by steps that are each as likely as their
    neighbours, so that what is rare is found, too."""
    if rng.random() < 0.5:
        return rng.choice(list(_places(tree)) or [None])
    here, found = tree, None
    while isinstance(here, (dict, list)) and here:
        key = rng.choice(list(here) if isinstance(here, dict) else range(len(here)))
        found = (here, key)
        if rng.random() < 0.1:
            break
        here = here[key]
    return found


def _other(value: Any, rng: random.Random) -> Any:
    """Another value of a leaf."""
    if rng.random() < 0.06:
        return rng.choice((None, True, 7, -1, 0.5, "u16", b"\0\1", [], {}, [1, 2]))
    match value:
        case bool():
            return not value
        case int():
            near = (value + 1, value - 1, -value, value * 2, value ^ 1)
            return rng.choice(near) if rng.random() < 0.4 else rng.choice(NUMBERS)
        case float():
            return rng.choice(FLOATS)
        case str():
            return rng.choice(TEXTS)
        case bytes():
            return rng.choice(
                (b"", value[:-1], value * 2, value + b"\xff", bytes(rng.randrange(256) for _ in value))
            )
        case _:
            return rng.choice(NUMBERS)


def _in_list(items: list[Any], rng: random.Random) -> None:
    """Takes an element of a list out, doubles it, swaps two, puts it into itself, or empties it."""
    if not items:
        items.append(rng.choice(NUMBERS))
        return
    i, j = rng.randrange(len(items)), rng.randrange(len(items))
    match rng.randrange(6):
        case 0:
            del items[i]
        case 1:
            items.insert(j, _copied(items[i]))
        case 2:
            items[i], items[j] = items[j], items[i]
        case 3:
            items[i] = _copied(items)
        case 4:
            items.clear()
        case _:
            room = MOST_ADDED_BYTES // len(msgspec.msgpack.encode(items[i]))
            items[i:i] = [_copied(items[i]) for _ in range(min(rng.choice((3, 40, 400)), room))]


def _copied(value: Any) -> Any:
    """A copy of its own; the value itself where it is nested too deep for one."""
    try:
        return copy.deepcopy(value)
    except RecursionError:
        return value


def _change(tree: Any, rng: random.Random) -> None:
    place = _place(tree, rng)
    if place is None:
        return
    container, key = place
    value = container[key]
    if isinstance(value, list) and rng.random() < 0.6:
        _in_list(value, rng)
    elif isinstance(value, dict) and rng.random() < 0.6:
        _in_dict(value, rng)
    else:
        container[key] = _other(value, rng)


def _in_dict(items: dict[Any, Any], rng: random.Random) -> None:
    if items and rng.random() < 0.6:
        del items[rng.choice(list(items))]
    else:
        items[rng.choice(TEXTS)] = rng.choice(NUMBERS)


def change_body(files: Files, rng: random.Random) -> None:
    _change(files.body, rng)


def change_number(files: Files, rng: random.Random) -> None:
    """A number of the programs, chosen by the name of its field first."""
    by_field: dict[str, list[tuple[Any, Any]]] = {}
    for container, key in _places(files.body):
        if isinstance(container[key], int) and not isinstance(container[key], bool):
            name = str(key) if isinstance(container, dict) else f"{str(container[0])[:12]}.{key}"
            by_field.setdefault(name, []).append((container, key))
    container, key = rng.choice(by_field[rng.choice(sorted(by_field))]) if by_field else ([0], 0)
    container[key] = rng.choice(NUMBERS)


def swap_nodes(files: Files, rng: random.Random) -> None:
    """Puts one node in the place of another."""
    nodes = [
        (c, k) for c, k in _places(files.body) if isinstance(c[k], list) and c[k] and isinstance(c[k][0], str)
    ]
    if len(nodes) > 1:
        (a, i), (b, j) = rng.sample(nodes, 2)
        a[i] = _copied(b[j])


def nest(files: Files, rng: random.Random) -> None:
    """Puts an expression deep into others."""
    nodes = [
        (c, k)
        for c, k in _places(files.body)
        if isinstance(c[k], list) and c[k][:1] in (["Const"], ["Local"])
    ]
    if not nodes:
        return
    container, key = rng.choice(nodes)
    for _ in range(rng.choice((20, 148, 152, 300, 700))):
        container[key] = ["Cast", "u16", container[key]]


def change_header(files: Files, rng: random.Random) -> None:
    _change(files.head, rng)


def change_facts(files: Files, rng: random.Random) -> None:
    """A value of the machine; rarely something else of its file."""
    if rng.random() < 0.2:
        _change(files.facts, rng)
        return
    facts = [c for c, k in _places(files.facts) if k == "value"]
    if facts:
        fact = rng.choice(facts)
        value = fact["value"]
        fact["value"] = (
            [rng.choice(NUMBERS) for _ in value] if isinstance(value, list) else rng.choice(NUMBERS)
        )


# --- arrays ----------------------------------------------------------------


def change_array(files: Files, rng: random.Random) -> None:
    """Values, shape or type of an array."""
    name = rng.choice(sorted(files.arrays))
    array = files.arrays[name].copy()
    match rng.randrange(8):
        case 0:
            array = array.astype(
                rng.choice(("int8", "int32", "int64", "float32", "uint16", "bool", "U4", "complex64"))
            )
        case 1:
            array = array[..., :-1]
        case 2:
            array = np.concatenate([array, array], axis=rng.randrange(array.ndim))
        case 3:
            array = np.asfortranarray(array.T)
        case _:
            if array.size and array.dtype.kind in "iu":
                limits = np.iinfo(array.dtype)
                where = tuple(rng.randrange(side) for side in array.shape)
                array[where] = rng.choice([n for n in NUMBERS if limits.min <= n <= limits.max])
    files.arrays[name] = array


def change_archive(files: Files, rng: random.Random) -> None:
    """The `.npz` file itself: an array less or more, headers that promise much, bombs, rubbish."""
    packed = io.BytesIO()
    with zipfile.ZipFile(
        packed, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA))
    ) as file:
        for name, array in files.arrays.items():
            data = io.BytesIO()
            np.save(data, array)
            content = data.getvalue()
            match rng.randrange(9):
                case 0:
                    content = content.replace(b"'shape': (", b"'shape': (9999999, ", 1)
                case 1:
                    content += bytes(rng.choice((1, 1 << 16, 1 << 24)))
                case 2:
                    content = content[: rng.randrange(len(content))]
                case 3:
                    content = content.replace(b"'descr': '<i4'", b"'descr': '|O '", 1)
                case 4:
                    continue
                case _:
                    pass
            file.writestr(f"{name}.npy", content)
        if rng.random() < 0.2:
            file.writestr("more.npy", bytes(100))
    data = packed.getvalue()
    files.raw[ARRAYS] = data if rng.random() < 0.8 else data[: rng.randrange(len(data))]


def rubbish(files: Files, rng: random.Random) -> None:
    """A file that is something else: cut off, or values nested very deep."""
    deep = rng.choice((900, 100_000))
    files.raw[rng.choice((PROGRAMS, MACHINE))] = rng.choice(
        (
            b"",
            b"\x91" * deep,
            b'{"a":' * deep,
            b"[" * deep,
            b"\xdf\xff\xff\xff\xff",
            b"\xc1",
            rng.randbytes(64),
        )
    )


MUTATIONS: tuple[Mutation, ...] = (
    change_body, change_number, swap_nodes, nest, change_header, change_facts, change_array, change_archive,
    rubbish,
)  # fmt: skip
WEIGHTS = (34, 26, 10, 2, 8, 8, 9, 2, 1)
