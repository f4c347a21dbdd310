"""`/openapi.json`: what the server takes, from the structs that read it."""

from __future__ import annotations

from typing import Any

import msgspec

from openwafer.serve.api._chat import ChatRequest
from openwafer.serve.api._completions import CompletionRequest
from openwafer.serve.api._responses_request import ResponseRequest

_BODIES: dict[str, tuple[type[msgspec.Struct], str]] = {
    "/v1/chat/completions": (ChatRequest, "Answers a chat."),
    "/v1/completions": (CompletionRequest, "Continues a text or tokens."),
    "/v1/responses": (ResponseRequest, "Answers items of a conversation."),
}
_READS = {
    "/health": "Whether the server runs.",
    "/metrics": "Prometheus metrics.",
    "/v1/models": "The models.",
    "/v1/models/{id}": "A model.",
    "/v1/backends": "Backends, what they do and take.",
    "/v1/decisions": "Receipts of the newest answers.",
    "/v1/decisions/{id}": "The receipt of an answer.",
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}


def openapi(version: str) -> dict[str, Any]:
    """The document of OpenAPI 3.1."""
    structs = [struct for struct, _ in _BODIES.values()]
    schemas, components = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    paths: dict[str, Any] = {
        path: {"post": _post(schema, words)}
        for (path, (_, words)), schema in zip(_BODIES.items(), schemas, strict=True)
    }
    paths |= {path: {"get": _get(path, words)} for path, words in _READS.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "OpenWafer", "version": version},
        "paths": paths,
        "components": {
            "schemas": components | {"Error": _ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"key": []}],
    }


def _answers(kinds: tuple[str, ...]) -> dict[str, Any]:
    failure = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {
        "200": {"description": "The answer.", "content": {kind: {} for kind in kinds}},
        "4XX": {"description": "What was asked is refused, and why.", "content": failure},
        "5XX": {"description": "It could not be answered, and why.", "content": failure},
    }


def _post(schema: dict[str, Any], words: str) -> dict[str, Any]:
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    kinds = ("application/json", "text/event-stream")
    return {"summary": words, "requestBody": body, "responses": _answers(kinds)}


def _get(path: str, words: str) -> dict[str, Any]:
    kind = "text/plain" if path == "/metrics" else "application/json"
    found: dict[str, Any] = {"summary": words, "responses": _answers((kind,))}
    if path.endswith("{id}"):
        schema = {"type": "string", "minLength": 1}
        found["parameters"] = [{"name": "id", "in": "path", "required": True, "schema": schema}]
    if path == "/v1/decisions":
        schema = {"type": "integer", "minimum": 1, "maximum": 1000}
        found["parameters"] = [{"name": "limit", "in": "query", "schema": schema}]
    return found
