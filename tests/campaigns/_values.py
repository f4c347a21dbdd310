"""Values and bytes that do not belong where they stand."""

from __future__ import annotations

import copy
import math
import random
from typing import Any

VALUES: tuple[Any, ...] = (
    0,
    -1,
    1,
    2,
    3,
    5,
    7,
    16,
    24,
    48,
    10**4,
    10**6,
    10**8,
    10**12,
    2**31,
    2**63,
    2**64,
    10**400,
    0.0,
    1.5,
    48.0,
    -0.5,
    1e-30,
    1e308,
    math.nan,
    math.inf,
    -math.inf,
    True,
    False,
    None,
    "",
    "x",
    "48",
    "0",
    "/dev/zero",
    "../x",
    [],
    [1],
    [0, -1],
    ["x"],
    {},
    {"a": 1},
    "\x1b[31m",
    "[/red]",
    "a" * 10_000,
    "(absent)",
    "\ud800",
)
"""`(absent)` asks for the removal of what would have this value."""


def wrong_value(rng: random.Random) -> Any:
    if rng.random() < 0.04:
        deep: Any = 1
        for _ in range(rng.choice((20, 40, 400))):
            deep = [deep] if rng.random() < 0.5 else {"a": deep}
        return deep
    return copy.deepcopy(rng.choice(VALUES))


def mutate_document(rng: random.Random, document: Any) -> Any:
    """A JSON value in which one value, found by walking down at random, is another, moved or gone."""
    document = copy.deepcopy(document)
    parent: Any = None
    key: Any = None
    here = document
    while isinstance(here, (dict, list)) and here and (parent is None or rng.random() < 0.75):
        parent, key = here, rng.choice(list(here)) if isinstance(here, dict) else rng.randrange(len(here))
        here = parent[key]
    if parent is None:
        return wrong_value(rng)
    match rng.randrange(4):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, dict):
            parent[rng.choice(("", "a", "name", key + "x"))] = parent.pop(key)
        case _:
            parent[key] = wrong_value(rng)
    return document


def mutate_bytes(rng: random.Random, data: bytes) -> bytes:
    """Text or data that is damaged."""
    at = rng.randrange(len(data) + 1)
    match rng.randrange(10):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + rng.randbytes(rng.randint(1, 8)) + data[at:]
        case 2 | 3:
            changed = bytearray(data)
            for _ in range(rng.randint(1, 4)):
                changed[rng.randrange(len(changed))] = rng.randrange(256)
            return bytes(changed)
        case 4:
            return b"\xef\xbb\xbf" + data
        case 5:
            return data.decode("utf-8", "replace").encode("utf-16")
        case 6:
            return rng.choice((b"[", b'{"a":', b"\0", b"9", b"[[a]]\n", b"a.")) * rng.choice(
                (10, 1000, 100_000)
            )
        case 7:
            return data[:at] + data[max(0, at - rng.randint(1, 60)) :]
        case 8:
            return b""
        case _:
            return data + rng.choice((b"}", b"\xff", b"\0", b"x", data))
