"""Events of several answers in one stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol

from openwafer.serve.api._errors import ApiError
from openwafer.serve.api._service import Stream


class Writer(Protocol):
    """Makes responses of answers."""

    streams: list[Stream]

    async def whole(self) -> dict[str, Any]: ...

    def events(self, stream: Stream) -> AsyncIterator[bytes]: ...

    def last(self) -> bytes: ...


async def merged(writer: Writer) -> AsyncIterator[bytes]:
    """Events of all choices, as they come."""
    if len(writer.streams) == 1:
        async for data in writer.events(writer.streams[0]):
            yield data
    else:
        queue: asyncio.Queue[bytes | ApiError | None] = asyncio.Queue()

        async def pump(stream: Stream) -> None:
            try:
                async for data in writer.events(stream):
                    queue.put_nowait(data)
            except ApiError as error:
                queue.put_nowait(error)
            queue.put_nowait(None)

        tasks = [asyncio.create_task(pump(stream)) for stream in writer.streams]
        try:
            left = len(tasks)
            while left:
                data = await queue.get()
                if isinstance(data, ApiError):
                    raise data
                if data is None:
                    left -= 1
                else:
                    yield data
        finally:
            for task in tasks:
                task.cancel()
    if last := writer.last():
        yield last
