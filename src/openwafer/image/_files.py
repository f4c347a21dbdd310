"""The files of an image directory: names, the header in `out.json`, and their checksums."""

from __future__ import annotations

import hashlib

import msgspec

from openwafer.csl import ExportName
from openwafer.tir import Program

FORMAT = "openwafer-image"
VERSION = 4
"""Goes up with every change of the files or of the IR that an older reader would get wrong."""

HEADER = "out.json"
PROGRAMS = "image.msgpack"
ARRAYS = "layout.npz"
MACHINE = "machine.json"
PARTS = (PROGRAMS, ARRAYS, MACHINE)
FILES = (HEADER, *PARTS)

MOST_BYTES = {HEADER: 1 << 24, PROGRAMS: 1 << 28, ARRAYS: 1 << 30, MACHINE: 1 << 20}
"""The largest file of each name that is read."""

ARRAY_NAMES = ("program_of", "cells", "configs", "config_of")


class Header(msgspec.Struct, frozen=True):
    """`out.json`. Host scripts of the SDK read `params` and `colors`: names to values, all text.

    `machine` is what the facts in `machine.json` were loaded from, for people, `machine_hash` their hash.
    `files` maps the other files to their SHA-256; `digest` is that of this header with an empty `digest`."""

    params: dict[str, str]
    colors: dict[str, str]
    format: str
    version: int
    arch: str
    machine: str
    machine_hash: str
    size: tuple[int, int]
    fabric_dims: tuple[int, int]
    fabric_offsets: tuple[int, int]
    metadata: dict[str, str]
    files: dict[str, str]
    digest: str = ""

    def sealed(self) -> Header:
        """The header with its digest."""
        empty = msgspec.structs.replace(self, digest="")
        return msgspec.structs.replace(self, digest=checksum(msgspec.json.encode(empty)))


class Mark(msgspec.Struct, frozen=True):
    """The part of the header that every version has."""

    format: str = ""
    version: int = 0


class Exported(msgspec.Struct, frozen=True):
    """`ExportName` as stored."""

    name: str
    kind: str
    type: str
    mutable: bool

    @classmethod
    def of(cls, export: ExportName) -> Exported:
        return cls(export.name, export.kind, export.type, export.mutable)

    def export(self) -> ExportName:
        return ExportName(self.name, self.kind, self.type, self.mutable)


class Body(msgspec.Struct, frozen=True):
    """`image.msgpack`. `sources` are the texts of the files that the programs' locations name."""

    programs: tuple[Program, ...]
    exports: tuple[Exported, ...]
    sources: dict[str, str]


def checksum(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def parse_pairs(text: str) -> dict[str, str]:
    """`name:value,name:value` as a dictionary; parts without a colon are left out."""
    parts = (part.partition(":") for part in text.split(",") if ":" in part)
    return {name.strip(): value.strip() for name, _, value in parts}
