"""All-reduces whose results are only added become one; nothing else does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from openwafer.nn.program._join_sums import join_sums
from openwafer.nn.program._program import Buffer, Call, Collective, Instruction, Ref

A, B, C, X, Y, T, U = (Ref(Buffer(name, (8,), "temporary")) for name in "abcxytu")
KEPT = Ref(Buffer("kept", (8,), "output"))


def made(result: Ref, source: Ref = X) -> Call:
    return Call("copy", (result, source, 8))


def add(result: Ref, a: Ref, b: Ref) -> Call:
    return Call("add", (result, a, b, 8))


SUM_A, SUM_B, SUM_C = (Collective("x", "sum", ref, 8) for ref in (A, B, C))
TWO: tuple[Instruction, ...] = (made(A), SUM_A, made(B), SUM_B, add(T, A, B), made(Y, T))


def test_two_sums_become_one_behind_the_addition() -> None:
    total = Collective("x", "sum", T, 8)
    assert join_sums(TWO) == (made(A), made(B), add(T, A, B), total, made(Y, T))


def test_three_sums_become_one() -> None:
    three = (*TWO[:-1], made(C), SUM_C, add(U, T, C), made(Y, U))
    (total,) = (i for i in join_sums(three) if isinstance(i, Collective))
    assert total.ref == U
    assert join_sums(three)[-2] == total


def test_in_place() -> None:
    found = join_sums((*TWO[:4], add(A, A, B), made(Y, A)))
    assert found[-2:] == (SUM_A, made(Y, A))
    assert sum(isinstance(i, Collective) for i in found) == 1


@pytest.mark.parametrize(
    "others",
    [
        (made(A), SUM_A, made(B), SUM_B, add(T, A, B), made(Y, A)),  # a sum is read behind the addition
        (made(A), SUM_A, made(Y, A), made(B), SUM_B, add(T, A, B)),  # … before it
        (made(A), SUM_A, made(B), replace(SUM_B, axis="y"), add(T, A, B)),
        (made(A), SUM_A, made(B), replace(SUM_B, op="max"), add(T, A, B)),
        (made(A), SUM_A, made(B), replace(SUM_B, n=4), add(T, A, B)),
        (made(A), SUM_A, made(B), add(T, A, B)),
        (made(A), SUM_A, add(T, A, A)),
        (made(KEPT), replace(SUM_A, ref=KEPT), made(B), SUM_B, add(T, KEPT, B)),
    ],
)
def test_others_stay_as_they_are(others: tuple[Instruction, ...]) -> None:
    assert join_sums(others) == others
