"""Every struct argument of every builtin: a field is carried out or refused, none is ignored."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from struct_cases import CASES, NO_EFFECT
from test_channels import compile_pe

from openwafer.csl.builtins._struct_fields import STRUCTS, Struct
from openwafer.diag import Diagnostic, DiagnosticError
from openwafer.tir import Program

BY_NAME = {struct.what: struct for struct in STRUCTS}
ACCEPTED = [(struct.what, name) for struct in STRUCTS for name in struct.fields]
ARCHS = ("wse2", "wse3")


def refused(folder: Path, what: str, name: str, arch: str, value: str = "true") -> Diagnostic:
    """The diagnostic of a program that gives the struct a field more than it needs."""
    with pytest.raises(DiagnosticError) as caught:
        compile_pe(folder, arch, pe=CASES[what].program({name: value}))
    return caught.value.diagnostics[0]


def home(struct: Struct) -> str:
    """An architecture on which a program with all that the case always has compiles."""
    return CASES[struct.what].arch.get("*", "wse2")


def test_the_cases_are_the_table() -> None:
    assert set(CASES) == set(BY_NAME) and len(BY_NAME) == len(STRUCTS)
    for what, case in CASES.items():
        assert set(case.values) == set(BY_NAME[what].fields)


@pytest.mark.parametrize(("what", "name"), ACCEPTED)
def test_a_misspelt_field_is_refused_with_all_that_there_are(tmp_path: Path, what: str, name: str) -> None:
    struct = BY_NAME[what]
    wrong = name + name[-1]
    found = refused(tmp_path, what, wrong, home(struct))
    assert found.id == "unknown-field"
    assert found.message == f"{what} has no field `{wrong}`"
    assert found.help == f"did you mean `{name}`?"
    assert all(f"`{each}`" in found.notes[0] for each in (*struct.fields, *struct.unsupported))


@pytest.mark.parametrize("what", CASES)
def test_a_field_that_is_like_no_other(tmp_path: Path, what: str) -> None:
    found = refused(tmp_path, what, "quite_another", home(BY_NAME[what]))
    assert (found.id, found.help) == ("unknown-field", None)


@pytest.mark.parametrize(("what", "name"), ACCEPTED)
def test_a_field_changes_the_program(tmp_path: Path, what: str, name: str) -> None:
    first, second = (compiled(tmp_path, what, name, at) for at in (0, 1))
    if (what, name) in NO_EFFECT:
        assert first == second
    else:
        assert first != second


def compiled(folder: Path, what: str, name: str, at: int) -> bytes:
    """The typed program with the first or the second value of a field."""
    case = CASES[what]
    value = case.values[name][at]
    arch = case.arch.get(name, home(BY_NAME[what]))
    text = case.program({name: value}, () if value is None else case.drop.get(name, ()))
    program: Program = compile_pe(folder, arch, pe=text)
    return msgspec.msgpack.encode(program)


@pytest.mark.parametrize(("what", "name"), [(s.what, name) for s in STRUCTS for name in s.arch])
def test_a_field_of_one_architecture(tmp_path: Path, what: str, name: str) -> None:
    struct = BY_NAME[what]
    other = next(arch for arch in ARCHS if arch != struct.arch[name])
    assert refused(tmp_path, what, name, other).id == "wrong-arch"


@pytest.mark.parametrize(("what", "name"), [(s.what, name) for s in STRUCTS for name in s.unsupported])
def test_a_documented_field_that_is_not_built(tmp_path: Path, what: str, name: str) -> None:
    struct = BY_NAME[what]
    found = refused(tmp_path, what, name, struct.arch.get(name, home(struct)))
    assert found.id == struct.unsupported[name]
    assert found.message.endswith("is not supported yet")


@pytest.mark.parametrize(
    ("what", "name"), [(s.what, name) for s in STRUCTS for name in s.elsewhere if name not in s.fields]
)
def test_a_field_of_a_sister_struct(tmp_path: Path, what: str, name: str) -> None:
    struct = BY_NAME[what]
    found = refused(tmp_path, what, name, home(struct))
    assert (found.id, found.notes) == ("misplaced-field", (struct.elsewhere[name],))
