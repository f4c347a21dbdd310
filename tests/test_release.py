"""The changelog, and the version that a release gets."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import release


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the files that a release changes, with three fragments."""
    for name in release.VERSIONS:
        shutil.copy(release.ROOT / name, tmp_path / name)
    shutil.copy(release.ROOT / "CHANGELOG.md", tmp_path)
    release.write_version(tmp_path, "0.1.0.dev0")
    folder = tmp_path / "changelog.d"
    folder.mkdir()
    texts = {
        "README.md": "How.",
        "b.fixed.md": "B is\nmended.\n",
        "a.fixed.md": "A is mended.",
        "c.added.md": "C.",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    monkeypatch.setattr(release, "ROOT", tmp_path)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *args: str) -> int:
    monkeypatch.setattr("sys.argv", ["release.py", *args])
    return release.main()


def test_a_release_gathers_the_fragments(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (project / "CHANGELOG.md").read_text("utf-8")
    assert run(monkeypatch, "0.1.0") == 0
    (project / "changelog.d" / "d.removed.md").write_text("D is gone.", "utf-8")
    assert run(monkeypatch, "0.2.0.dev0") == run(monkeypatch, "0.2.0") == 0
    text = (project / "CHANGELOG.md").read_text("utf-8")
    assert text.startswith(before)
    newest, oldest = text.index("## 0.2.0, "), text.index("## 0.1.0, ")
    assert newest < text.index("### Removed\n\n- D is gone.\n") < oldest
    assert text[oldest:].endswith("\n\n### Added\n\n- C.\n\n### Fixed\n\n- A is mended.\n- B is mended.\n")
    assert [path.name for path in (project / "changelog.d").iterdir()] == ["README.md"]


def test_a_development_version_leaves_the_fragments(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (project / "CHANGELOG.md").read_bytes()
    assert run(monkeypatch, "0.2.0.dev0") == 0
    assert (project / "CHANGELOG.md").read_bytes() == before
    assert len(list((project / "changelog.d").iterdir())) == 4
    for name in release.VERSIONS:
        assert (project / name).read_text("utf-8").count("0.2.0.dev0") == 1


@pytest.mark.parametrize("version", ["0.1.0.dev0", "0.0.9", "0.2", "0.2.0rc1", "next"])
def test_what_is_no_next_version(project: Path, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="is not a version such as"):
        run(monkeypatch, version)
    assert len(list((project / "changelog.d").iterdir())) == 4


def test_a_fragment_of_no_kind(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "changelog.d" / "e.better.md").write_text("E.", "utf-8")
    with pytest.raises(SystemExit, match=r"e\.better\.md: its name must end in \.KIND\.md"):
        run(monkeypatch, "0.1.0")


def test_the_fragments_of_this_project_have_kinds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch) == 0
    assert capsys.readouterr().out.startswith("## Unreleased\n")
