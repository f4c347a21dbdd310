"""PE programs to machine code, and caches of it. LLVM is imported when code is first compiled."""

from typing import TYPE_CHECKING

from openwafer._later import later
from openwafer.codegen._abi import CTX_WORDS, Ctx, Fault, Req, Status
from openwafer.codegen._cache import ENGINE
from openwafer.codegen._closure import source_digest
from openwafer.codegen._folder import HELP

if TYPE_CHECKING:
    from openwafer.codegen._compile import CompiledProgram, bind_memory_op, code_of, compile_code

__all__ = [
    "CTX_WORDS",
    "ENGINE",
    "HELP",
    "CompiledProgram",
    "Ctx",
    "Fault",
    "Req",
    "Status",
    "bind_memory_op",
    "code_of",
    "compile_code",
    "source_digest",
]

__getattr__, __dir__ = later(
    __name__, {"_compile": ("CompiledProgram", "bind_memory_op", "code_of", "compile_code")}
)
