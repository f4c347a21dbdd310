"""What the SDK has and OpenWafer does not have yet: importing it is fine, using it is a diagnostic."""

from __future__ import annotations

from typing import Any, NoReturn

from openwafer.diag import DiagnosticError, error


def not_supported(what: str, id: str, help: str | None = None) -> DiagnosticError:
    """The diagnostic `not-supported-<id>`; `what` is the name as the user wrote it."""
    return error(f"not-supported-{id}", f"{what} is not supported yet", help=help)


class Missing:
    """Stands for a class or function of the SDK until it is built."""

    def __init__(self, name: str, id: str) -> None:
        self._name = name
        self._id = id

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise not_supported(f"`{self._name}`", self._id)

    def __getattr__(self, attribute: str) -> NoReturn:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        raise not_supported(f"`{self._name}.{attribute}`", self._id)

    def __repr__(self) -> str:
        return f"<{self._name}: not supported yet>"
