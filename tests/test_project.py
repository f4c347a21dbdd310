"""The project's own files are whole."""

from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_machine_file_in_the_readme_loads(tmp_path: Path) -> None:
    from openwafer.machine import load_machine

    text = (ROOT / "README.md").read_text("utf-8")
    toml = text.split("```toml\n")[1].split("```")[0]
    path = tmp_path / "roomier.toml"
    path.write_text(toml, "utf-8")
    assert load_machine(str(path)).memory.bytes_per_pe == 65_536


def test_the_diagnostic_in_the_readme_is_what_is_printed(tmp_path: Path) -> None:
    from openwafer.diag import DiagnosticError, Source, render
    from openwafer.machine._load import _read  # pyright: ignore[reportPrivateUsage]

    text = (ROOT / "README.md").read_text("utf-8")
    wrong = text.split("```toml\n")[1].split("```")[0].replace("bytes_per_pe", "bytes_per_p")
    try:
        _read(Source("roomier.toml", wrong))
    except DiagnosticError as failure:
        assert render(failure.diagnostics[0]) in text
    else:
        raise AssertionError("the file is wrong")
