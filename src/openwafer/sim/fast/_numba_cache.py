"""What numba has compiled, kept in `_cache.ENGINE` under a key of all that it was compiled from.

numba's own cache looks at the file of the compiled function only, lies in the installation, and unpickles
whatever it finds there.
"""

from __future__ import annotations

import hashlib
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import llvmlite
import numba
import numpy as np
from llvmlite import binding as llvm
from numba.core import config
from numba.core.caching import NullCache
from numba.core.ccallback import CFunc
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps
from numba.core.sigutils import normalize_signature

from openwafer.codegen import ENGINE, HELP, source_digest
from openwafer.diag import warn_once
from openwafer.sim.fast._checked import BUILD, IS_CHECKED, bind_check

SETTINGS = ("OPT", "BOUNDSCHECK", "CPU_NAME", "CPU_FEATURES", "ENABLE_AVX", "LOOP_VECTORIZE", "SLP_VECTORIZE")
"""Settings of numba (`NUMBA_…`) that change what it makes."""


def code_key(root: str, name: str, signature: str) -> str:
    """Of a function of module `root`: its sources, what compiles them, and for which processor."""
    parts = [source_digest(root), name, signature, *host_parts()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def host_parts() -> list[str]:
    """What of this installation and of this processor decides what numba makes."""
    versions = [sys.version, numba.__version__, llvmlite.__version__, np.__version__]
    processor = [llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()]
    return [BUILD, *versions, *processor, *(f"{name}={getattr(config, name, None)}" for name in SETTINGS)]


class _Cache(NullCache):
    """A cache as numba's compilers want it, of the one result that lies under `key`."""

    def __init__(self, key: str) -> None:
        self._key = key

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        target_context.refresh()
        payload = ENGINE.read(self._key)
        if payload is None:
            return None
        try:
            return CompileResult._rebuild(target_context, *pickle.loads(payload))
        except Exception:  # whatever it is that numba cannot read, it compiles again
            return None

    def save_overload(self, sig: Any, cres: Any) -> None:
        if not ENGINE.write(self._key, dumps(cres._reduce())):
            warn_once(
                "cache-unusable", "the compiled engine cannot be stored; the next run compiles it again", HELP
            )


@dataclass(frozen=True, slots=True)
class Kept:
    """A function that is compiled once and kept: its one signature, and the module whose sources it is made
    of, by whose digest it is found again."""

    function: Callable[..., Any]
    signature: str
    root: str

    @property
    def key(self) -> str:
        return code_key(self.root, self.function.__name__, self.signature)

    def is_there(self) -> bool:
        """Whether it is compiled for this installation and this processor."""
        return ENGINE.read(self.key) is not None

    def as_function(self) -> Any:
        """Without the interpreter's lock, and with NumPy's rules for division by zero."""
        dispatcher = self._compiled(
            numba.njit(nogil=True, error_model="numpy")(self.function), self.signature
        )
        dispatcher.disable_compile()
        return dispatcher

    def as_callback(self) -> Any:
        """For machine code; `.address` is where its code lies."""
        return self._compiled(CFunc(self.function, normalize_signature(self.signature), {}, {}))

    def _compiled(self, dispatcher: Any, *signature: str) -> Any:
        if IS_CHECKED:
            bind_check()
        dispatcher._cache = _Cache(self.key)
        dispatcher.compile(*signature)
        return dispatcher
