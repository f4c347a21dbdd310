"""The project's own files are whole."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
OWN_LIMIT = re.compile(r"(?<!-)\btimeout=\d|\bdeadline=")


@pytest.mark.parametrize("path", TESTS, ids=lambda p: p.relative_to(ROOT / "tests").as_posix())
def test_no_test_depends_on_how_busy_the_machine_is(path: Path) -> None:
    """How long a test waits is said once, in `patience.py`; Hypothesis' profile measures no time."""
    found = OWN_LIMIT.search(path.read_text("utf-8")) if path.name != Path(__file__).name else None
    assert found is None, found


def test_hypothesis_measures_no_time() -> None:
    assert settings.default.deadline is None and settings.default.derandomize
    assert HealthCheck.too_slow in settings.default.suppress_health_check


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
        _read(Source("roomier.toml", wrong), "roomier.toml")
    except DiagnosticError as failure:
        assert render(failure.diagnostics[0]) in text
    else:
        raise AssertionError("the file is wrong")
