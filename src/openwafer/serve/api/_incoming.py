"""What comes with a request: a body within limits, wishes in headers, the site that it is from."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

import asyncio
import math
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, Request

from openwafer.serve.api._errors import ApiError, bad_request
from openwafer.serve.api._parse import parse_body
from openwafer.serve.api._service import Options, Wishes


async def read_body(request: Request, options: Options) -> dict[str, Any]:
    """Within the limits of bytes and time."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(415, f"the body is application/json, not {kind[:100] or 'without a type'}")
    data = bytearray()
    try:
        async with asyncio.timeout(options.body_s):
            async for part in request.stream():
                data += part
                if len(data) > options.most_bytes:
                    raise ApiError(413, f"the body is larger than {options.most_bytes} bytes")
    except TimeoutError:
        raise ApiError(408, f"the body took longer than {options.body_s:g} s") from None
    except ClientDisconnect:
        raise ApiError(400, "the client went away") from None
    return parse_body(bytes(data))


def wishes_of(request: Request) -> Wishes:
    """`x-openwafer-max-first-token-ms`, `x-openwafer-max-token-ms`, `x-openwafer-downgrade: allow`."""
    return Wishes(
        _milliseconds(request, "x-openwafer-max-first-token-ms"),
        _milliseconds(request, "x-openwafer-max-token-ms"),
        request.headers.get("x-openwafer-downgrade", "") == "allow",
    )


def _milliseconds(request: Request, name: str) -> float | None:
    text = request.headers.get(name)
    if text is None:
        return None
    try:
        value = float(text) / 1000
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise bad_request(name, f"`{name}` is a number of milliseconds above 0, not {text[:40]!r}")
    return value


def check_origin(request: Request) -> None:
    """A page of another site may not ask in its visitor's name."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise ApiError(403, "requests from pages of other sites are refused", code="cross_origin")
