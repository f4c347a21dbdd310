"""Published rows: the traps of the data, and what is not used."""

from pathlib import Path

import pytest

from openwafer.diag import DiagnosticError
from openwafer.estimate.validation._case import Case
from openwafer.estimate.validation._cases import cases, load_rows
from openwafer.machine.systems import load_system

FOUND, UNUSED = cases(load_rows())


def case(id: str, group: str = "") -> Case:
    return next(c for c in FOUND if c.id == id and c.group.startswith(group))


def row(**given: str) -> dict[str, str]:
    names = "id system model metric value unit params date source_title source_url kind"
    return dict.fromkeys(names.split(), "") | {"id": "X1"} | given


def test_every_row_is_used_or_told_why_not() -> None:
    ids = {row["id"] for row in load_rows()}
    assert {c.id for c in FOUND} | {id for id, _ in UNUSED} == ids
    assert not {c.id for c in FOUND} & {id for id, _ in UNUSED}
    assert len({c.key for c in FOUND}) == len(FOUND)


def test_totals_that_count_input_tokens_are_divided() -> None:
    """22,212.9 tokens/s at 1k/1k are 11,106 of output; 5,789.6 at 8k/1k are 643."""
    assert case("C114").value == pytest.approx(22212.9 / 2)
    assert case("C122").value == pytest.approx(5789.6 / 9)


def test_mlperf_and_ml_energy_count_output_only() -> None:
    assert case("C014").value == 102909.0
    assert case("C152", "energy").extra["tokens_per_s"] == 9805.59


def test_formats_are_told_apart() -> None:
    assert case("C014").form == "fp4"
    assert case("C022").form == "fp8"
    assert case("C152", "time").form == "f16"
    assert case("C168", "time").form == "w4a16"
    assert case("C028").form == "fp8"


def test_energy_of_chips_is_not_energy_at_the_wall() -> None:
    assert case("C152", "energy").group == "energy, GPU"
    assert case("C056").group == "energy, wall"
    assert case("C056").value == pytest.approx(
        case("C056").extra["watts"] / case("C056").extra["tokens_per_s"], rel=0.01
    )


def test_scenarios_are_kept_apart() -> None:
    """Offline gives throughput; Server and Interactive the times at their concurrency."""
    assert case("C014").group == "offline throughput"
    assert {c.group for c in FOUND if c.id == "C016"} == {"time per token", "time to first token"}
    assert case("C016").users == pytest.approx(12226.5)


def test_fp4_training_is_not_fp8_training() -> None:
    assert case("C066").form == "fp8"
    assert case("C068").form == "fp4"
    assert case("C072").form == "fp8"


def test_wafer_rows_with_speculation_are_a_group_of_their_own() -> None:
    assert case("A029").group == "wafer speed a user"
    assert case("A034").group == "wafer speed, speculation untold"


def test_the_bound_on_what_a_wafer_system_delivers() -> None:
    """A002 of the traps: at most about 40,000 tokens/s of Llama-70B a CS-3."""
    from openwafer.estimate import estimate

    best = max(
        estimate("llama-3.1-70b", ["cs3"], input=100, output=1000, users=users)[
            0
        ].tokens_per_s_per_system.value
        for users in (80, 320, 1280)
    )
    assert 5_000 < best < 40_000


def test_rows_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "more.csv"
    names = list(row())
    line = row(
        system="h100_sxm TP4", model="Llama-3.1-70B", metric="TPOT", value="20", unit="ms",
        params="ISL/OSL 1024/1024; vllm fp8; concurrency 32; TTFT 300 ms",
        source_title="NVIDIA AIConfigurator silicon samples",
    )  # fmt: skip
    path.write_text(",".join(names) + "\n" + ",".join(f'"{line[n]}"' for n in names) + "\n", "utf-8")
    found, unused = cases(load_rows(str(path)))
    assert [c.group for c in found] == ["time per token", "time to first token"] and not unused
    assert (found[0].system, found[0].chips, found[0].engine) == ("h100", 4, "vllm")


def test_unknown_models_and_systems_are_not_guessed() -> None:
    given = dict(metric="output speed per user", source_title="x", value="100", date="2024-01")
    found, unused = cases(
        [row(system="CS-3", model="GPT-9", **given), row(system="TPU", model="Llama-3.1-8B", **given)]
    )
    assert not found and len(unused) == 2


@pytest.mark.parametrize(("text", "id"), [("a,b\n1,2\n", "rows-wrong-columns"), (None, "rows-unreadable")])
def test_wrong_files(text: str | None, id: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    if text is not None:
        path.write_text(text, "utf-8")
    with pytest.raises(DiagnosticError) as failure:
        load_rows(str(path))
    assert failure.value.diagnostics[0].id == id


def test_systems_of_the_cases_exist() -> None:
    for found in FOUND:
        assert found.group == "reduction on the mesh" or load_system(found.system)
