"""The files of an image directory: names, the header in `out.json`, and their checksums."""

from __future__ import annotations

import hashlib

import msgspec

from openwafer.csl import ExportName
from openwafer.csl._tir import Program

FORMAT = "openwafer-image"
VERSION = 3
"""Goes up with every change of the files or of the IR that an older reader would get wrong."""

HEADER = "out.json"
PROGRAMS = "image.msgpack"
ARRAYS = "layout.npz"
FILES = (HEADER, PROGRAMS, ARRAYS)

ARRAY_NAMES = ("program_of", "cells", "configs", "config_of")


class Header(msgspec.Struct, frozen=True):
    """`out.json`. Host scripts of the SDK read `params` and `colors`: names to values, all text.

    `files` maps the other files to their SHA-256; `digest` is that of this header with an empty `digest`."""

    params: dict[str, str]
    colors: dict[str, str]
    format: str
    version: int
    arch: str
    machine: str
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
    """`image.msgpack`."""

    programs: tuple[Program, ...]
    exports: tuple[Exported, ...]


def checksum(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def parse_pairs(text: str) -> dict[str, str]:
    """`name:value,name:value` as a dictionary; parts without a colon are left out."""
    parts = (part.partition(":") for part in text.split(",") if ":" in part)
    return {name.strip(): value.strip() for name, _, value in parts}
