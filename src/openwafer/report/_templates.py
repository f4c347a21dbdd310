"""Templates of pictures: numbers are placed in Python, drawn in Jinja."""

from __future__ import annotations

from typing import Any

from openwafer.diag import showable


def render(template: str, **values: Any) -> str:
    """A template of `report/templates` with these values; text is escaped."""
    from jinja2 import Environment, PackageLoader, select_autoescape

    environment = Environment(
        loader=PackageLoader("openwafer.report"), autoescape=select_autoescape(["svg"]), trim_blocks=True,
        lstrip_blocks=True, finalize=_shown,
    )  # fmt: skip
    return environment.get_template(template).render(**values)


def _shown(value: object) -> object:
    """XML has no control characters; coordinates have two decimals."""
    if isinstance(value, float):
        return f"{value:.2f}"
    return showable(value) if isinstance(value, str) else value
