"""Bodies of requests: JSON, only with parameters that are supported, each of its type and range."""

from __future__ import annotations

import re
from collections.abc import Set
from typing import Any, TypeVar

import msgspec

from openwafer.serve.api._errors import ApiError, bad_request

T = TypeVar("T")
VENDOR = frozenset(("ignore_eos", "min_tokens", "top_k", "return_token_ids"))
"""Parameters of other servers, that load generators send; taken with `--vendor-parameters`."""
_PLACE = re.compile(r"(.*) - at `\$(.*)`$", re.DOTALL)
_DEPTH = 64


def parse_body(data: bytes) -> dict[str, Any]:
    """Diagnostics as `ApiError`: no JSON, no object, too deep."""
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as reason:
        raise bad_request(None, f"the body is not valid JSON: {reason}", "invalid_json") from None
    if not isinstance(found, dict):
        raise bad_request(None, "the body must be a JSON object", "invalid_json")
    if _is_deep(found, _DEPTH):  # pyright: ignore
        raise bad_request(None, f"the body is nested deeper than {_DEPTH}", "invalid_json")
    return found  # pyright: ignore


def _is_deep(value: Any, left: int) -> bool:
    if left == 0:
        return True
    parts: Any = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()  # pyright: ignore
    return any(_is_deep(part, left - 1) for part in parts if isinstance(part, dict | list))


def convert(body: dict[str, Any], kind: type[T], *, ignored: Set[str], refused: Set[str], vendor: bool) -> T:
    """The body as a struct. `ignored`: parameters without an effect here, which are taken; `refused`: known
    ones that are not supported."""
    given = {name: value for name, value in body.items() if value is not None}
    known = {field.encode_name for field in msgspec.structs.fields(kind)}  # pyright: ignore
    for name in given:
        if name in refused or (name in VENDOR and not vendor):
            raise bad_request(name, f"`{name}` is not supported here", "unsupported_parameter")
        if name not in known and name not in ignored:
            raise bad_request(name, f"there is no parameter `{name}`", "unknown_parameter")
    try:
        return msgspec.convert({n: v for n, v in given.items() if n in known}, kind)
    except msgspec.ValidationError as reason:
        raise _invalid(str(reason)) from None


def _invalid(text: str) -> ApiError:
    """Of what `msgspec` says, with the parameter's name."""
    if missing := re.search(r"missing required field `(\w+)`", text):
        return bad_request(missing[1], f"`{missing[1]}` is missing", "missing_required_parameter")
    match = _PLACE.match(text)
    param = match[2].lstrip(".") if match else None
    message = match[1] if match else text
    return bad_request(param, f"`{param}`: {message[:1].lower()}{message[1:]}", "invalid_type")
