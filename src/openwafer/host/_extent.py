"""How many bytes a copy may move: the size of the array behind an exported name, where the image tells it."""

from __future__ import annotations

from collections import Counter

from openwafer import tir
from openwafer.tir import Export, Program, walk

Places = dict[int, tir.Addr]
"""Symbols of pointers, and where each points in the whole life of its PE."""


def exported_bytes(program: Program) -> dict[str, int]:
    """Bytes from where an exported name points to the end of that array, by name.

    A pointer that the program may change later, or that its parameters decide, is left out."""
    exports = [export for export in program.exports if export.kind != "func"]
    fixed = _fixed_pointers(program, {e.target for e in exports if e.kind == "ptr"})
    found = ((e.name, _bytes(program, e, fixed)) for e in exports)
    return {name: size for name, size in found if size is not None}


def _bytes(program: Program, export: Export, fixed: Places) -> int | None:
    place = fixed.get(export.target) if export.kind == "ptr" else tir.Addr(export.target)
    return None if place is None else program.symbols[place.symbol].size - place.offset


def _fixed_pointers(program: Program, pointers: set[int]) -> Places:
    """The pointers that are set once, to an address, and otherwise only read."""
    uses: Counter[int] = Counter()
    reads: Counter[int] = Counter()
    places: Places = {}
    for node in (node for function in program.functions for node in walk(function.body)):
        match node:
            case tir.Addr(symbol) if symbol in pointers:
                uses[symbol] += 1
            case tir.Load(addr=tir.Addr(symbol, 0)):
                reads[symbol] += 1
            case tir.Store(addr=tir.Addr(symbol, 0), value=tir.Addr() as place) if symbol in pointers:
                places[symbol] = place
            case _:
                pass
    return {symbol: place for symbol, place in places.items() if uses[symbol] - reads[symbol] == 1}
