"""When PEs and routers are served: a wheel of 64 cycles, and a heap for what is later.

Each item has a word WHEEL (bit b: it is in the list of cycles ≡ b mod 64) and, after it, FAR (the cycle
of its valid entry in the heap, 0 for none; other entries of it are stale).
"""

from __future__ import annotations

from typing import Any

from openwafer.sim.fast._raw import kernel, load32, load64, store32, store64, trailing_zeros
from openwafer.sim.fast._state import NEVER, WHEEL_CYCLES, Ring


@kernel
def schedule(ring: Any, item: Any, cycle: Any, now: Any) -> Any:
    """Has an item served in a cycle ≥ `now`."""
    place = load64(ring + Ring.RECORDS) + item * load64(ring + Ring.RECORD_BYTES) + load64(ring + Ring.WHEEL)
    if cycle - now >= WHEEL_CYCLES:
        far = load64(place + 8)
        if far == 0 or cycle < far:
            store64(place + 8, cycle)
            heap_push(ring, cycle, item)
        return
    bucket = cycle & 63
    bits = load64(place)
    if (bits >> bucket) & 1 == 0:
        store64(place, bits | (1 << bucket))
        counts = load64(ring + Ring.COUNTS) + 8 * bucket
        n = load64(counts)
        store32(load64(ring + Ring.LISTS) + 4 * (bucket * load64(ring + Ring.ITEMS) + n), item)
        store64(counts, n + 1)
        if n == 0:
            store64(ring + Ring.OCCUPIED, load64(ring + Ring.OCCUPIED) | (1 << bucket))


@kernel
def take(ring: Any, bucket: Any, k: Any) -> Any:
    """Item number `k` of a list; it is then no longer in it."""
    item = load32(load64(ring + Ring.LISTS) + 4 * (bucket * load64(ring + Ring.ITEMS) + k))
    place = load64(ring + Ring.RECORDS) + item * load64(ring + Ring.RECORD_BYTES) + load64(ring + Ring.WHEEL)
    store64(place, load64(place) & ~(1 << bucket))
    return item


@kernel
def peek(ring: Any, bucket: Any, k: Any) -> Any:
    """Item number `k` of a list, which stays."""
    return load32(load64(ring + Ring.LISTS) + 4 * (bucket * load64(ring + Ring.ITEMS) + k))


@kernel
def count(ring: Any, bucket: Any) -> Any:
    return load64(load64(ring + Ring.COUNTS) + 8 * bucket)


@kernel
def clear(ring: Any, bucket: Any) -> Any:
    """Empties a list all of whose items were taken."""
    store64(load64(ring + Ring.COUNTS) + 8 * bucket, 0)
    store64(ring + Ring.OCCUPIED, load64(ring + Ring.OCCUPIED) & ~(1 << bucket))


@kernel
def far_place(ring: Any, item: Any) -> Any:
    return (
        load64(ring + Ring.RECORDS) + item * load64(ring + Ring.RECORD_BYTES) + load64(ring + Ring.WHEEL) + 8
    )


@kernel
def next_cycle(ring: Any, now: Any) -> Any:
    """The first cycle ≥ `now` with something in the wheel or validly in the heap; NEVER if there is none."""
    heap = load64(ring + Ring.HEAP)
    far = NEVER
    while load64(ring + Ring.HEAP_LENGTH) > 0:
        if load64(far_place(ring, load64(heap + 8))) == load64(heap):
            far = load64(heap)
            break
        heap_pop(ring)
    occupied = load64(ring + Ring.OCCUPIED)
    if occupied == 0:
        return far
    shift = now & 63
    turned = (occupied >> shift) & ((1 << (63 - shift) << 1) - 1) | occupied << 1 << (63 - shift)
    return min(far, now + trailing_zeros(turned))


@kernel
def pull_due(ring: Any, now: Any, most: Any) -> Any:
    """Moves what the heap holds for cycle `now` into the wheel, `most` entries of it."""
    heap = load64(ring + Ring.HEAP)
    while most > 0 and load64(ring + Ring.HEAP_LENGTH) > 0 and load64(heap) <= now:
        most -= 1
        cycle, item = load64(heap), load64(heap + 8)
        heap_pop(ring)
        place = far_place(ring, item)
        if load64(place) == cycle:
            store64(place, 0)
            schedule(ring, item, now, now)


@kernel
def is_due(ring: Any, now: Any) -> Any:
    """Whether the heap still holds something for cycle `now`."""
    return load64(ring + Ring.HEAP_LENGTH) > 0 and load64(load64(ring + Ring.HEAP)) <= now


@kernel
def put_back(ring: Any, bucket: Any, k: Any, item: Any) -> Any:
    """Writes an item that was taken to place `k` of the list."""
    store32(load64(ring + Ring.LISTS) + 4 * (bucket * load64(ring + Ring.ITEMS) + k), item)


@kernel
def unwind(ring: Any, now: Any) -> Any:
    """Moves all that is in the wheel into the heap, so that time can be set back to an earlier cycle."""
    for ahead in range(WHEEL_CYCLES):
        bucket = (now + ahead) & 63
        for k in range(count(ring, bucket)):
            item = take(ring, bucket, k)
            place = far_place(ring, item)
            far = load64(place)
            if far == 0 or now + ahead < far:
                store64(place, now + ahead)
                heap_push(ring, now + ahead, item)
        clear(ring, bucket)


@kernel
def heap_push(ring: Any, cycle: Any, item: Any) -> Any:
    if load64(ring + Ring.HEAP_LENGTH) == load64(ring + Ring.HEAP_CAPACITY):
        compact(ring)
    heap, n = load64(ring + Ring.HEAP), load64(ring + Ring.HEAP_LENGTH)
    store64(ring + Ring.HEAP_LENGTH, n + 1)
    while n > 0:
        parent = (n - 1) >> 1
        if load64(heap + 16 * parent) <= cycle:
            break
        store64(heap + 16 * n, load64(heap + 16 * parent))
        store64(heap + 16 * n + 8, load64(heap + 16 * parent + 8))
        n = parent
    store64(heap + 16 * n, cycle)
    store64(heap + 16 * n + 8, item)


@kernel
def heap_pop(ring: Any) -> Any:
    heap, n = load64(ring + Ring.HEAP), load64(ring + Ring.HEAP_LENGTH) - 1
    store64(ring + Ring.HEAP_LENGTH, n)
    sift_down(heap, 0, n, load64(heap + 16 * n), load64(heap + 16 * n + 8))


@kernel
def sift_down(heap: Any, k: Any, n: Any, cycle: Any, item: Any) -> Any:
    """Puts an entry at place `k` of a heap of `n`, or below."""
    while True:
        child = 2 * k + 1
        if child >= n:
            break
        if child + 1 < n and load64(heap + 16 * (child + 1)) < load64(heap + 16 * child):
            child += 1
        if load64(heap + 16 * child) >= cycle:
            break
        store64(heap + 16 * k, load64(heap + 16 * child))
        store64(heap + 16 * k + 8, load64(heap + 16 * child + 8))
        k = child
    store64(heap + 16 * k, cycle)
    store64(heap + 16 * k + 8, item)


@kernel
def compact(ring: Any) -> Any:
    """Drops stale entries and all but one of those that are equal; what is left fits, one an item."""
    heap, n, kept = load64(ring + Ring.HEAP), load64(ring + Ring.HEAP_LENGTH), 0
    for k in range(n):
        cycle, item = load64(heap + 16 * k), load64(heap + 16 * k + 8)
        place = far_place(ring, item)
        if load64(place) == cycle:
            store64(place, -cycle)
            store64(heap + 16 * kept, cycle)
            store64(heap + 16 * kept + 8, item)
            kept += 1
    for k in range(kept):
        place = far_place(ring, load64(heap + 16 * k + 8))
        store64(place, -load64(place))
    for k in range(kept // 2 - 1, -1, -1):
        sift_down(heap, k, kept, load64(heap + 16 * k), load64(heap + 16 * k + 8))
    store64(ring + Ring.HEAP_LENGTH, kept)
