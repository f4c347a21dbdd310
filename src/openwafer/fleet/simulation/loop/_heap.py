# pyright: basic
"""Binary heaps of events for compiled code. The earliest time is first; of equal times the smallest item.

A heap is two arrays, of times and of items, whose first `count` places are used; the caller keeps `count`.
"""

from __future__ import annotations

from openwafer.fleet.simulation.loop._kernel import kernel


@kernel
def _is_before(time, item, other, other_item):
    return time < other or (time == other and item < other_item)


@kernel
def push(times, items, count, time, item):
    """Adds an item to a heap of `count` items, which has room for one more."""
    at = count
    while at > 0:
        above = (at - 1) >> 1
        if not _is_before(time, item, times[above], items[above]):
            break
        times[at] = times[above]
        items[at] = items[above]
        at = above
    times[at] = time
    items[at] = item


@kernel
def replace_first(times, items, count, time, item):
    """The first item goes and another one comes."""
    at = 0
    while True:
        below = 2 * at + 1
        if below >= count:
            break
        other = below + 1
        if other < count and _is_before(times[other], items[other], times[below], items[below]):
            below = other
        if not _is_before(times[below], items[below], time, item):
            break
        times[at] = times[below]
        items[at] = items[below]
        at = below
    times[at] = time
    items[at] = item


@kernel
def drop_first(times, items, count):
    """The first of `count` items goes."""
    if count > 1:
        replace_first(times, items, count - 1, times[count - 1], items[count - 1])
