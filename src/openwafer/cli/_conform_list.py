"""A list of programs for `openwafer conform`: where each lies, how it runs, what is expected of it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from openwafer.cli._examples import Example, is_wanted
from openwafer.diag import Source, error
from openwafer.files import parse_toml, read_text

MOST_BYTES = 1 << 20


class _Program(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One run. `command` is one line for `bash`, in `folder` of the repository.

    `expect` is "pass", or what the reason of the failure contains; `name` tells runs of one folder apart."""

    folder: str
    command: str
    arch: str
    name: str = ""
    expect: str = "pass"


class _Repository(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A repository: `name` is OWNER/NAME; the folder that is searched has the copy of `commit` in NAME."""

    name: str
    commit: str
    program: list[_Program]
    note: str = ""


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    repository: list[_Repository]


def read_list(path: Path, root: Path, arch: str | None = None, only: str | None = None) -> list[Example]:
    """The runs of the list whose folder is there below `root`. Diagnostics: `conform-list`."""
    text = read_text(path, "a list of programs", "conform-list", MOST_BYTES)
    document = _document(Source(str(path), text))
    every = [_example(root, repository, p) for repository in document.repository for p in repository.program]
    return [example for example in every if example.folder.is_dir() and is_wanted(example, arch, only)]


def _document(source: Source) -> _Document:
    try:
        return msgspec.convert(parse_toml(source, "conform-list"), _Document)
    except msgspec.ValidationError as reason:
        raise error("conform-list", f"`{source.path}`: {reason}") from None


def _example(root: Path, repository: _Repository, program: _Program) -> Example:
    name = repository.name.rsplit("/", 1)[-1]
    title = "/".join(part for part in (name, program.folder, program.name) if part not in ("", "."))
    return Example(title, program.arch, root / name / program.folder, "", program.command, program.expect)
