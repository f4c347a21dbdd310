"""Names that a file from somebody else gives to other files: they stay in its folder."""

from __future__ import annotations

from pathlib import Path

from openwafer.diag import error


def inside(folder: Path, name: str, id: str) -> Path:
    """The file `name` of `folder`, be it a link to another file of the folder.

    In a cache of the Hugging Face Hub all files of a folder are links to `blobs` beside `snapshots`, which
    count as of the folder. Diagnostics: `id`.
    """
    path = folder / name
    try:
        real, root = path.resolve(), folder.resolve()
    except (OSError, ValueError, RuntimeError) as reason:
        raise error(id, f"`{path}`: {reason}") from None
    homes = [root, *([root.parents[1] / "blobs"] if root.parent.name == "snapshots" else [])]
    if any(real.is_relative_to(home) for home in homes) and real != root:
        return path
    leads = f", it is {real}" if Path(name).name == name else ""
    raise error(id, f"`{name}` is outside the folder `{folder}`{leads}")
