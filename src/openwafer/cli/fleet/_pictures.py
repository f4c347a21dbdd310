"""The pictures of a plan, as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from openwafer.diag import not_written, write_report

if TYPE_CHECKING:
    from openwafer.fleet.answers import Answer


def write_pictures(folder: str, found: Answer) -> list[Path]:
    """Writes power.svg, sites.svg, and where there are numbers for them tradeoff.svg and tornado.svg.

    Diagnostics: report-not-written."""
    from openwafer.report import power_svg, sites_svg, tornado_svg, tradeoff_svg

    texts = {"power": power_svg(found), "sites": sites_svg(found)}
    if found.tradeoff:
        texts["tradeoff"] = tradeoff_svg(found)
    if found.bars:
        texts["tornado"] = tornado_svg(found)
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise not_written(path, reason) from reason
    for name, text in texts.items():
        write_report(path / f"{name}.svg", text)
    return [path / f"{name}.svg" for name in texts]
