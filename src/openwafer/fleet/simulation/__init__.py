"""Discrete-event simulation of fleets."""

from openwafer.fleet.simulation._queue import simulate_queue

__all__ = ["simulate_queue"]
