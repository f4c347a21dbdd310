"""Two all-reduces whose results are only added become one: the sum of the sums is the sum of what is added.

So the gradients that come from query, key and value are added on each PE, and then once over the PEs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from openwafer.nn.program._program import Buffer, Call, Collective, Instruction, Ref


def join_sums(instructions: Sequence[Instruction]) -> tuple[Instruction, ...]:
    """Instructions with the same results, but for rounding, and fewer all-reduces."""
    last = {ref.buffer: i for i, instruction in enumerate(instructions) for ref in instruction.refs()}
    latest: dict[Buffer, int] = {}
    out: list[Instruction | None] = []
    for i, instruction in enumerate(instructions):
        out.append(instruction)
        if isinstance(instruction, Call) and instruction.kernel == "add":
            total, *terms = (_ref(instruction, k) for k in range(3))
            places = sorted({latest.get(term.buffer, len(out) - 1) for term in terms})
            is_end = all(last[term.buffer] == i or term.buffer is total.buffer for term in terms)
            summed = out[places[-1]]
            if is_end and _are_sums([out[place] for place in places], terms, instruction.arguments[3]):
                assert isinstance(summed, Collective)
                for place in places:
                    out[place] = None
                out.append(replace(summed, ref=total))
        latest.update((ref.buffer, len(out) - 1) for ref in instruction.refs())
    return tuple(i for i in out if i is not None)


def _are_sums(found: Sequence[Instruction | None], terms: Sequence[Ref], n: object) -> bool:
    """Whether what touched the two terms last were sums of exactly what is added, along one axis."""
    sums = [s for s in found if isinstance(s, Collective) and s.op == "sum" and s.n == n]
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
