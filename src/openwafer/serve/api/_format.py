"""`response_format`: an answer that must be JSON."""

from __future__ import annotations

from typing import Any

from openwafer.serve.api._errors import bad_request


def schema_of(given: dict[str, Any] | None, param: str = "response_format") -> dict[str, Any] | None:
    """JSON schema of an answer, None for any text. Takes chat's form and that of responses
    (`text.format`)."""
    match (given or {}).get("type", "text"):
        case "text":
            return None
        case "json_object":
            return {"type": "object"}
        case "json_schema":
            inner: Any = (given or {}).get("json_schema", given)
            schema: Any = inner.get("schema") if isinstance(inner, dict) else None  # pyright: ignore
            if not isinstance(schema, dict):
                raise bad_request(param, f"`{param}` has no `schema` that is an object")
            return schema  # pyright: ignore
        case kind:
            raise bad_request(f"{param}.type", f"{kind!r} is not supported: text, json_object or json_schema")
