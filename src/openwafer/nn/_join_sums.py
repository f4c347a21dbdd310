"""Two all-reduces whose results are only added become one: the sum of the sums is the sum of what is added.

So the gradients that come from query, key and value are added on each PE, and then once over the PEs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from openwafer.nn._program import Buffer, Call, Collective, Instruction, Ref

Triple = tuple[int, int, int]
"""Places of two all-reduces and of the addition of their results, in their order."""


def join_sums(instructions: Sequence[Instruction]) -> tuple[Instruction, ...]:
    """Instructions with the same results, but for rounding, and fewer all-reduces."""
    joined = list(instructions)
    while triple := _next_triple(joined):
        first, second, add = triple
        summed, total = joined[second], joined[add]
        assert isinstance(summed, Collective) and isinstance(total, Call)
        joined.insert(add + 1, replace(summed, ref=_ref(total, 0)))
        del joined[second], joined[first]
    return tuple(joined)


def _next_triple(instructions: Sequence[Instruction]) -> Triple | None:
    last = {ref.buffer: i for i, instruction in enumerate(instructions) for ref in instruction.refs()}
    latest: dict[Buffer, int] = {}
    for i, instruction in enumerate(instructions):
        if isinstance(instruction, Call) and instruction.kernel == "add":
            terms = [_ref(instruction, k) for k in (1, 2)]
            places = sorted({latest[term.buffer] for term in terms if term.buffer in latest})
            is_last = all(
                last[term.buffer] == i or term.buffer is _ref(instruction, 0).buffer for term in terms
            )
            if is_last and _are_terms([instructions[place] for place in places], terms, instruction):
                return places[0], places[1], i
        latest.update((ref.buffer, i) for ref in instruction.refs())
    return None


def _are_terms(found: Sequence[Instruction], terms: Sequence[Ref], add: Call) -> bool:
    """Whether what touched the two terms last were sums of exactly what is added, along one axis."""
    sums = [s for s in found if isinstance(s, Collective) and s.op == "sum" and s.n == add.arguments[3]]
    return (
        len(sums) == 2
        and sums[0].axis == sums[1].axis
        and {s.ref for s in sums} == set(terms)
        and all(term.buffer.kind == "temporary" for term in terms)
    )


def _ref(call: Call, number: int) -> Ref:
    ref = call.arguments[number]
    assert isinstance(ref, Ref)
    return ref
