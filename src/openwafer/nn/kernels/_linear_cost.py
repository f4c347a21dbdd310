"""Cycles of the kernels of `kernels/linear.csl` in closed form, for arrays in the banks that they ask for.

Every kernel is loops of `@map`: vectors · (step + beats) + turns · (DSR loads, moved DSDs, loop). Rows of an
odd length change banks, so that half of the pairs of rows conflict."""

from __future__ import annotations

from openwafer.machine import Machine
from openwafer.nn.kernels._cost import beats, dsr_loads, loop_step, mapped
from openwafer.nn.kernels._kernel import Sizes

THIN_TOKENS = 8


def linear_cycles(machine: Machine, sizes: Sizes) -> float:
    n, k, t = sizes["n"], sizes["k"], sizes["t"]
    if _is_thin(n, t):
        conflicts = (t // 2) / t if n % 2 == 0 else 0.5
        first = mapped(machine, beats(machine, "fmuls", n, strides=(t, 1, 0), has_vectors=1))
        later = mapped(machine, _fmacs(machine, n, conflicts, stride=t))
        return _call(machine) + t * (first + (k - 1) * later + loop_step(machine, 4, 8))
    first = mapped(machine, beats(machine, "fmuls", t, has_vectors=1))
    later = mapped(machine, _fmacs(machine, t, _odd(t)))
    return _call(machine) + n * (first + (k - 1) * later) + k * loop_step(machine, 3, 6)


def linear_half_cycles(machine: Machine, sizes: Sizes) -> float:
    n, k, t = sizes["n"], sizes["k"], sizes["t"]
    convert = machine.dsd.setup_copy_cycles + beats(machine, "fh2s", k * t, has_vectors=1)
    clear = machine.dsd.setup_write_cycles + n * t / _write_rate(machine)
    once = _call(machine) + convert + clear + _choice(machine)
    if _is_thin(n, t):
        one = mapped(machine, beats(machine, "fmachs", n, strides=(t, t, 1)))
        return once + t * (k * one + loop_step(machine, 3, 5))
    one = mapped(machine, beats(machine, "fmachs", t))
    return once + k * (n * one + loop_step(machine, 3, 4))


def grad_input_cycles(machine: Machine, sizes: Sizes) -> float:
    n, k, t = sizes["n"], sizes["k"], sizes["t"]
    first = mapped(machine, beats(machine, "fmuls", t, has_vectors=1))
    later = mapped(machine, _fmacs(machine, t, _odd(t)))
    return _call(machine) + k * (first + (n - 1) * later + loop_step(machine, 4, 10))


def grad_weight_cycles(machine: Machine, sizes: Sizes) -> float:
    n, k, t = sizes["n"], sizes["k"], sizes["t"]
    short, long = sorted((n, t))
    strides = (n, 1, 0) if t > n else (1, t, 0)
    turn = machine.dsd.explicit_dsr_setup_cycles + beats(
        machine, "fmovs", long, strides=strides, has_vectors=1
    )
    turns = short * (turn + loop_step(machine, 1, 3))
    one = mapped(machine, _fmacs(machine, n, _odd(n)))
    return _call(machine) + turns + k * (t * one + loop_step(machine, 3, 4))


def add_bias_cycles(machine: Machine, sizes: Sizes) -> float:
    one = mapped(machine, beats(machine, "fadds", sizes["t"], has_vectors=1))
    return _call(machine) + dsr_loads(machine, 2) + sizes["n"] * one


def bias_grad_cycles(machine: Machine, sizes: Sizes) -> float:
    one = mapped(machine, sizes["t"] * machine.dsd.reduce_cycles_per_element)
    move = machine.scalar.load_cycles + 2 * machine.scalar.store_cycles + machine.scalar.alu_cycles
    return _call(machine) + dsr_loads(machine, 1) + sizes["n"] * (one + move)


def _fmacs(machine: Machine, n: int, conflicts: float, stride: int = 1) -> float:
    """Beats of a multiply-add, of which a share meets bank conflicts."""
    plain, slow = (
        beats(machine, "fmacs", n, strides=(stride, stride, 1), is_conflict=c) for c in (False, True)
    )
    return plain + conflicts * (slow - plain)


def _write_rate(machine: Machine) -> int:
    """f32 elements a cycle that are written without reading any."""
    return min(machine.dsd.simd_width["fmovs"], machine.memory.write_bytes_per_cycle // 4)


def _is_thin(n: int, t: int) -> bool:
    """As in `linear.csl`."""
    return t * (n + THIN_TOKENS) < THIN_TOKENS * n


def _choice(machine: Machine) -> int:
    """The test of `is_thin`, and the call that follows."""
    s = machine.scalar
    return 8 * s.alu_cycles + s.branch_taken_cycles + s.call_cycles


def _odd(length: int) -> float:
    return 0.5 if length % 2 else 0.0


def _call(machine: Machine) -> int:
    return machine.scalar.call_cycles
