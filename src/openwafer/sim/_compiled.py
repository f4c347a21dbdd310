"""Whether compiled code of the fast engine lies in the cache, found out without compiling."""

from __future__ import annotations

from typing import Any


class _Stop(BaseException):
    """Ends a compilation that begins; nothing catches it on its way."""


def is_engine_compiled() -> bool:
    """Whether `compile_engine` has nothing to do. Imports numba and loads what is compiled: a second."""
    from numba.core import event as numba_event

    from openwafer.sim import compile_engine

    events: Any = numba_event

    class Watch(numba_event.Listener):
        def on_start(self, event: Any) -> None:
            raise _Stop

        def on_end(self, event: Any) -> None: ...

    watch = Watch()
    events.register("numba:run_pass", watch)
    try:
        compile_engine()
    except _Stop:
        return False
    finally:
        events.unregister("numba:run_pass", watch)
    return True
