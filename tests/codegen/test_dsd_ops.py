"""DSD operations: at once on memory, as requests to the engine otherwise."""

from __future__ import annotations

import pytest
from _driver import Pe, Record, function, machine, program

from openwafer import tir
from openwafer.codegen._abi import DSD_BYTES, DSR_OFFSET, Fault, Req, Status
from openwafer.cost._dsd_kinds import ANY, DsdKinds
from openwafer.tir import DSD_OPS, DsdKind, DsdWord

DSD = machine().dsd


def u16(value: int) -> tir.Const:
    return tir.Const("u16", value)


def words(kind: DsdKind, **fields: int) -> tuple[int, ...]:
    record = [int(kind)] + [0] * 15
    for name, value in fields.items():
        record[DsdWord[name]] = value
    return tuple(record)


def make(record: tuple[int, ...]) -> tir.DsdMake:
    return tir.DsdMake(tuple(u16(word) for word in record))


MEMORY = words(DsdKind.MEM1D, BASE=10, EXTENT0=4, STRIDE0=4, ELEMENT_BYTES=4)
FABIN = words(DsdKind.FABIN, BASE=2, EXTENT0=4, COLOR=5)


def op(
    name: str,
    dest: tir.Operand,
    src0: tir.Operand,
    src1: tir.Operand | None = None,
    *,
    scalar: tir.Expr | None = None,
    activate: tir.Expr | None = None,
    unblock: tir.Expr | None = None,
    ut: tir.Expr | None = None,
    index: tir.Expr | None = None,
    is_async: bool = False,
    result: int | None = None,
) -> tir.DsdOp:
    return tir.DsdOp(name, dest, src0, src1, scalar, is_async, activate, unblock, ut, index, result, None, 0)


def dsd(record: tuple[int, ...]) -> tir.Dsd:
    return tir.Dsd(make(record))


def test_memory_operations_run_at_once_and_add_their_cycles():
    stmt = op("fmacs", dsd(MEMORY), dsd(MEMORY), dsd(MEMORY), scalar=tir.Const("f32", 1.0))
    pe = Pe(program(function(tir.Tick(3), stmt)), memory_op=lambda record: record.setup + 100)
    run = pe.run()
    assert (run.status, run.waits, run.cycles) == (Status.DONE, [], 3 + DSD.setup_fma_cycles + 100)
    number = DSD_OPS["fmacs"].number
    assert run.operations == [Record(number, (MEMORY,) * 3, 0x3F800000, DSD.setup_fma_cycles, 0)]


def test_scalars_and_pointers_become_records():
    stmt = op("faddh", tir.Pointer(tir.Addr(0, 6)), tir.Scalar(tir.Const("f16", 1.0)), dsd(MEMORY))
    pe = Pe(program(function(stmt), symbols=(tir.Symbol("a", 16, 2, b"", "", 100),)))
    pointer, scalar = words(DsdKind.POINTER, BASE=106), words(DsdKind.SCALAR, BASE=0x3C00)
    assert pe.run().operations[0].records == (pointer, scalar, MEMORY)
    wide = op("mov32", dsd(MEMORY), tir.Scalar(tir.Const("u32", 0x12345678)))
    records = Pe(program(function(wide))).run().operations[0].records
    assert records[1:] == (words(DsdKind.SCALAR, BASE=0x5678, EXTENT0=0x1234), words(DsdKind.NONE))


def test_a_fault_of_the_memory_operation_is_the_codes():
    pe = Pe(
        program(function(tir.Tick(3), op("fmovs", dsd(MEMORY), dsd(MEMORY)))), memory_op=lambda record: -1
    )
    run = pe.run()
    assert (run.status, run.cycles, pe.field(Req.A0)) == (Status.FAULT, 3, Fault.MEMORY)


def test_a_fabric_operation_is_a_request():
    stmt = op(
        "fmovs",
        dsd(MEMORY),
        dsd(FABIN),
        activate=u16(8),
        unblock=u16(9),
        ut=u16(0),
        index=u16(77),
        is_async=True,
        result=0,
    )
    symbols = (tir.Symbol("out", 16, 2, b"", ""),)
    body = (tir.Tick(6), stmt, tir.Store(tir.Addr(0), tir.Local("bool", 0)))
    pe = Pe(program(function(*body, slots=("bool",)), symbols=symbols))
    pe.result = 1
    run = pe.run()
    assert [(status, cycles) for status, cycles, _ in run.waits] == [(Status.DSD_OP, 6)]
    assert pe.load(0, "H") == 1
    assert not run.operations
    fields = {
        Req.OP: DSD_OPS["fmovs"].number,
        Req.IS_ASYNC: 1,
        Req.ACTIVATE: 9,
        Req.UNBLOCK: 10,
        Req.UT: 1,
        Req.INDEX: 77,
        Req.DEST_DSR: 0,
        Req.SRC0_DSR: 0,
        Req.SRC1_DSR: 0,
    }
    assert {name: pe.field(name) for name in fields} == fields
    assert [pe.request_record(r) for r in (Req.DEST, Req.SRC0, Req.SRC1)] == [
        MEMORY,
        FABIN,
        words(DsdKind.NONE),
    ]


@pytest.mark.parametrize(("record", "waits"), [(MEMORY, False), (FABIN, True), (words(DsdKind.FIFO), True)])
def test_kinds_known_only_at_run_time(record: tuple[int, ...], waits: bool):
    unknown = tir.Dsd(tir.Load("dsd", tir.Local("u16", 0)))
    pe = Pe(program(function(op("fmovs", dsd(MEMORY), unknown), params=1, slots=("u16",))))
    pe.store(64, "16H", *record)
    run = pe.run(args=(64,))
    assert [status for status, _, _ in run.waits] == ([Status.DSD_OP] if waits else [])
    assert len(run.operations) == (not waits)
    if waits:
        assert pe.request_record(Req.SRC0) == record


@pytest.mark.parametrize("record", [MEMORY, FABIN])
def test_dsrs_keep_their_record_in_the_frame(record: tuple[int, ...]):
    load = tir.LoadDsr(1, tir.Load("dsd", u16(64)), 0)
    stmt = op("fmovs", tir.Dsr(1), tir.Dsr(0))
    pe = Pe(program(function(tir.LoadDsr(0, make(MEMORY), 0), load, stmt), dsrs=("src1:0", "dest:0")))
    assert pe.compiled.dsr_offsets == (DSR_OFFSET, DSR_OFFSET + DSD_BYTES)
    pe.store(64, "16H", *record)
    run = pe.run()
    assert pe.request_record(DSR_OFFSET + DSD_BYTES) == record
    if record is MEMORY:
        assert run.operations[0].records[:2] == (MEMORY, MEMORY)
        assert run.operations[0].setup == DSD.explicit_dsr_setup_cycles
    else:
        assert [pe.request_record(r) for r in (Req.DEST, Req.SRC0)] == [FABIN, MEMORY]
        assert (pe.field(Req.DEST_DSR), pe.field(Req.SRC0_DSR)) == (2, 1)


def test_tasks_named_by_a_memory_operation_are_activated_after_it():
    stmt = op("fmovs", dsd(MEMORY), dsd(MEMORY), activate=u16(8), unblock=u16(9))
    run = Pe(program(function(stmt))).run()
    cycles = DSD.setup_copy_cycles
    assert run.waits == [(Status.ACTIVATE, cycles, 8), (Status.UNBLOCK, 0, 9)]


@pytest.mark.parametrize(
    ("own", "given", "expected"),
    [
        (0, None, []),
        (0x0A09, None, [(Status.ACTIVATE, 8), (Status.UNBLOCK, 9)]),
        (0x0A09, 20, [(Status.ACTIVATE, 20), (Status.UNBLOCK, 9)]),
        (0x0A00, None, [(Status.UNBLOCK, 9)]),
    ],
)
def test_tasks_named_by_a_dsr(own: int, given: int | None, expected: list[tuple[int, int]]):
    record = tir.DsdWith(make(MEMORY), DsdWord.ACTIONS, tir.Local("u16", 0))
    activate = None if given is None else u16(given)
    body = (
        tir.LoadDsr(0, make(MEMORY), 0),
        tir.LoadDsr(1, record, 0),
        op("fmovs", tir.Dsr(0), tir.Dsr(1), activate=activate),
    )
    run = Pe(program(function(*body, params=1, slots=("u16",)), dsrs=("dest:0", "src1:0"))).run(args=(own,))
    assert [(status, task) for status, _, task in run.waits] == expected


def test_dsd_words_are_read_and_replaced():
    record = tir.DsdWith(tir.Local("dsd", 0), DsdWord.BASE, tir.Const("i16", -2))
    body = (
        tir.Set(0, make(MEMORY)),
        tir.Set(0, record),
        tir.Store(u16(0), tir.Local("dsd", 0)),
        tir.Store(u16(40), tir.DsdGet(tir.Load("dsd", u16(0)), DsdWord.EXTENT0)),
    )
    pe = Pe(program(function(*body, slots=("dsd",))))
    pe.run()
    assert (pe.load(2, "H"), pe.load(40, "H")) == (0xFFFE, 4)


def test_kinds_flow_through_locals_symbols_calls_and_dsrs():
    init = b"".join(word.to_bytes(2, "little") for word in MEMORY)
    symbols = (
        tir.Symbol("d", 32, 2, init, "mem1d_dsd"),
        tir.Symbol("e", 32, 2, b"", "fabin_dsd"),
        tir.Symbol("f", 64, 2, b"", "S"),
    )
    callee = function(tir.Return(tir.Local("dsd", 0)), params=1, slots=("dsd",), result="dsd")
    body = (
        tir.Store(tir.Addr(1), make(FABIN)),
        tir.Set(0, tir.Load("dsd", tir.Addr(0))),
        tir.LoadDsr(0, tir.DsdWith(tir.Local("dsd", 0), DsdWord.BASE, u16(0)), 0),
        tir.Call(1, (tir.Load("dsd", tir.Addr(1)),), 1, 0),
    )
    kinds = DsdKinds(
        program(function(*body, slots=("dsd",) * 3), callee, symbols=symbols, dsrs=("dest:0", "src1:0"))
    )

    def of(operand: tir.Operand) -> int:
        return kinds.operand(0, operand)

    assert of(tir.Dsd(tir.Local("dsd", 0))) == of(tir.Dsr(0)) == 1 << DsdKind.MEM1D
    assert of(tir.Dsd(tir.Local("dsd", 1))) == 1 << DsdKind.FABIN
    assert (
        of(tir.Dsd(tir.Local("dsd", 2))) == of(tir.Dsr(1)) == of(tir.Dsd(tir.Load("dsd", tir.Addr(2)))) == ANY
    )
