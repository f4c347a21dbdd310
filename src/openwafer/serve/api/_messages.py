"""Messages of a chat, checked, as templates take them."""

from __future__ import annotations

import json
from typing import Any, cast

from openwafer.serve.api._errors import ApiError, bad_request

_ROLES = ("system", "developer", "user", "assistant", "tool")
Message = dict[str, Any]


def checked_messages(messages: list[dict[str, Any]]) -> list[Message]:
    """Texts only; answers of tools follow the calls that they answer. Arguments of calls become objects, as
    templates take them."""
    if not messages:
        raise bad_request("messages", "`messages` is empty", "empty_array")
    found, open_calls = list[Message](), set[str]()
    for at, message in enumerate(messages):
        place, role = f"messages[{at}]", message.get("role")
        if role not in _ROLES:
            raise bad_request(f"{place}.role", f"the role is one of {', '.join(_ROLES)}, found {role!r}")
        made: Message = {"role": "system" if role == "developer" else role}
        if isinstance(name := message.get("name"), str):
            made["name"] = name
        if role == "tool":
            made["tool_call_id"] = _answered(message, place, open_calls)
        calls = message.get("tool_calls")
        if role == "assistant" and calls:
            made["tool_calls"] = [
                _call(c, f"{place}.tool_calls[{i}]") for i, c in enumerate(_list(calls, place))
            ]
            open_calls |= {call["id"] for call in made["tool_calls"]}
        made["content"] = _content(message, place, may_lack=bool(made.get("tool_calls")))
        found.append(made)
    return found


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise bad_request(f"{place}.tool_calls", "`tool_calls` is a list")
    return cast("list[Any]", value)


def _answered(message: Message, place: str, open_calls: set[str]) -> str:
    call = message.get("tool_call_id")
    if not isinstance(call, str) or call not in open_calls:
        text = f"{place} answers the tool call {call!r}, which no message before it has"
        raise bad_request(f"{place}.tool_call_id", text)
    return call


def _call(call: Any, place: str) -> dict[str, Any]:
    try:
        function = call["function"]
        arguments = function["arguments"]
        loaded: Any = (
            json.loads(arguments) if isinstance(arguments, str) and arguments.strip() else arguments or {}
        )
        return {
            "id": str(call["id"]), "type": "function",
            "function": {"name": str(function["name"]), "arguments": loaded},
        }  # fmt: skip
    except (KeyError, TypeError, ValueError):
        text = f"{place} has no `id` and `function` with `name` and JSON `arguments`"
        raise bad_request(place, text) from None


def _content(message: Message, place: str, *, may_lack: bool) -> str:
    content: Any = message.get("content")
    if isinstance(content, str):
        return content
    if content is None and (may_lack or isinstance(message.get("refusal"), str)):
        return str(message.get("refusal") or "")
    if not isinstance(content, list) or not content:
        raise bad_request(f"{place}.content", f"`{place}.content` is a text or a list of parts")
    parts = cast("list[Any]", content)
    return "".join(_part(part, f"{place}.content[{i}]") for i, part in enumerate(parts))


def _part(part: Any, place: str) -> str:
    kind: Any = part.get("type") if isinstance(part, dict) else None  # pyright: ignore
    text: Any = part.get("text" if kind != "refusal" else "refusal") if isinstance(part, dict) else None  # pyright: ignore
    if kind not in ("text", "input_text", "output_text", "refusal"):
        raise bad_request(f"{place}.type", f"parts are texts, {kind!r} is not supported", "unsupported_value")
    if not isinstance(text, str):
        raise bad_request(f"{place}.text", "a text part has a `text`")
    return text


def checked_tools(tools: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """Functions only, with a name each."""
    found = tools or []
    if len(found) > 128:
        raise bad_request("tools", "at most 128 tools")
    for at, tool in enumerate(found):
        function = tool.get("function")
        if tool.get("type") != "function":
            raise _no_tool(at, f"tools are functions, {tool.get('type')!r} is not supported")
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):  # pyright: ignore
            raise _no_tool(at, "a function has a `name`")
        parameters: Any = function.get("parameters", {})  # pyright: ignore
        if parameters is not None and not isinstance(parameters, dict):
            raise _no_tool(at, "`parameters` is a JSON schema")
    return found


def _no_tool(at: int, message: str) -> ApiError:
    return bad_request(f"tools[{at}]", message)
