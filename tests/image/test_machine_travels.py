"""An image holds its machine: what the file or the built-in facts become later changes nothing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from image_samples import sample_layout

from openwafer.diag import DiagnosticError
from openwafer.host._machine import for_machine
from openwafer.image import Image, build, read, run_on, write
from openwafer.image._files import MACHINE, Header
from openwafer.machine import Machine, from_document, load_machine, to_document
from openwafer.sim import make_engine
from openwafer.tir import Symbol


def machine_file(path: Path, **scalar: int) -> Path:
    facts = "\n".join(
        f'{name} = {{ value = {value}, unit = "cycles", source = "s", status = "assumed" }}'
        for name, value in scalar.items()
    )
    path.write_text(f'base = "wse2"\nname = "mine"\n[scalar]\n{facts}\n')
    return path


def small(bytes_per_pe: int) -> Machine:
    document = to_document(load_machine("wse2"))
    document["memory"]["bytes_per_pe"]["value"] = bytes_per_pe
    return from_document(document, "small", "small.toml")


def stored(image: Image, path: Path) -> Image:
    write(image, path)
    return read(path)


@pytest.mark.parametrize("name", ["wse2", "wse3"])
def test_a_document_gives_the_same_machine(name: str) -> None:
    machine = load_machine(name)
    again = from_document(to_document(machine), "a.json", machine.origin)
    assert again == machine
    assert (again.hash(), again.origin, list(again.facts())) == (machine.hash(), name, list(machine.facts()))


def test_a_loaded_machine_is_taken_as_it_is() -> None:
    machine = load_machine("wse2")
    assert load_machine(machine) is machine
    assert build(sample_layout(), machine).machine is machine


def test_an_edited_and_a_missing_file_change_nothing(tmp_path: Path) -> None:
    path = machine_file(tmp_path / "m.toml", loop_cycles=77)
    write(build(sample_layout(), str(path)), tmp_path / "out")
    for change in (lambda: machine_file(path, loop_cycles=5000), path.unlink):
        change()
        machine = read(tmp_path / "out").machine
        assert (machine.name, machine.scalar.loop_cycles) == ("mine", 77)
        assert machine.fact("scalar.loop_cycles").source == "s"


def test_other_facts_than_those_that_were_hashed_are_refused(tmp_path: Path) -> None:
    write(build(sample_layout(), "wse2"), tmp_path)
    facts = msgspec.json.decode((tmp_path / MACHINE).read_bytes())
    facts["memory"]["bytes_per_pe"]["value"] = 4096
    header = msgspec.json.decode((tmp_path / "out.json").read_bytes(), type=Header)
    data = msgspec.json.encode(facts)
    (tmp_path / MACHINE).write_bytes(data)
    from openwafer.image._files import checksum

    files = header.files | {MACHINE: checksum(data)}
    sealed = msgspec.structs.replace(header, files=files, digest="").sealed()
    (tmp_path / "out.json").write_bytes(msgspec.json.encode(sealed))
    with pytest.raises(DiagnosticError, match=r"image-corrupt: .*machine\.json is not the machine"):
        read(tmp_path)


def test_symbols_are_checked_against_the_memory_when_read(tmp_path: Path) -> None:
    image = build(sample_layout(1, 1, Symbol("big", 5000, 4, b"", "[1250]f32")), "wse2")
    write(Image(image.layout, small(4096), {}), tmp_path)
    with pytest.raises(DiagnosticError, match="its data end at 5,276 B, a PE has 4,096 B"):
        read(tmp_path)


@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_symbols_are_checked_against_the_memory_when_an_engine_is_made(engine: str) -> None:
    image = build(sample_layout(1, 1, Symbol("big", 5000, 4, b"", "[1250]f32")), "wse2")
    with pytest.raises(DiagnosticError, match=r"image-does-not-fit: .*4,096 B"):
        make_engine(image, small(4096), engine=engine)  # type: ignore[arg-type]
    assert make_engine(image, small(8192), engine=engine).now == 0  # type: ignore[arg-type]


def test_another_architecture_does_not_fit() -> None:
    with pytest.raises(DiagnosticError, match="image-does-not-fit"):
        run_on(build(sample_layout(), "wse2"), load_machine("wse3"))


def test_another_machine_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = build(sample_layout(), "wse2")
    path = machine_file(tmp_path / "m.toml", loop_cycles=77)
    moved = for_machine(image, str(path))
    assert moved.machine.scalar.loop_cycles == 77
    said = capsys.readouterr().err
    assert "warning[other-machine]: the program was compiled for `wse2` and runs on `mine`" in said
    assert f"`scalar.loop_cycles` was {image.machine.scalar.loop_cycles}, is 77" in said
    assert for_machine(image, "wse2").machine == image.machine
    assert capsys.readouterr().err == ""


def test_a_built_in_machine_of_another_day_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    document = to_document(load_machine("wse2"))
    document["scalar"]["loop_cycles"]["value"] += 1
    was = Image(sample_layout(), from_document(document, "wse2.toml", "wse2"), {})
    assert for_machine(was, None) is was
    assert (
        "warning[machine-changed]: the program was compiled for `wse2` as it was then"
        in capsys.readouterr().err
    )
    assert for_machine(was, "wse2").machine == load_machine("wse2")


def test_the_environment_names_a_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENWAFER_MACHINE", str(machine_file(tmp_path / "m.toml", loop_cycles=3)))
    assert for_machine(build(sample_layout(), "wse2"), None).machine.name == "mine"
    assert "other-machine" in capsys.readouterr().err


def test_a_stored_image_keeps_what_the_machine_was_loaded_from(tmp_path: Path) -> None:
    assert stored(build(sample_layout(), "wse2"), tmp_path / "a").machine.origin == "wse2"
