"""What `/v1/responses` takes: items of a conversation, as a chat's messages."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from openwafer.serve.api._ask import Ask, Name, Part, Temperature, Tokens
from openwafer.serve.api._chat import ChatRequest, ask_of_chat
from openwafer.serve.api._errors import bad_request
from openwafer.serve.api._format import schema_of
from openwafer.serve.api._parse import convert
from openwafer.serve.api._service import ServedModel

_IGNORED = frozenset(("user", "safety_identifier", "metadata", "stream_options"))
_REFUSED = frozenset(
    ("previous_response_id", "conversation", "background", "reasoning", "prompt", "max_tool_calls",
     "context_management")
)  # fmt: skip


class ResponseRequest(msgspec.Struct, kw_only=True):
    model: Name
    input: str | list[dict[str, Any]]
    instructions: str | None = None
    max_output_tokens: Tokens | None = None
    temperature: Temperature = 1.0
    top_p: Part = 1.0
    stream: bool = False
    store: bool = False
    text: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool = True
    truncation: str = "disabled"
    include: list[str] | None = None
    top_logprobs: int = 0
    service_tier: Name | None = None
    prompt_cache_key: Name | None = None


def parse_response(body: dict[str, Any], *, vendor: bool) -> ResponseRequest:
    """Responses are not kept, so `store` has no effect; what needs one that was kept is refused."""
    found = convert(body, ResponseRequest, ignored=_IGNORED, refused=_REFUSED, vendor=vendor)
    if found.truncation != "disabled":
        raise bad_request("truncation", "only `disabled` is supported", "unsupported_value")
    if found.include and set(found.include) - {"message.output_text.logprobs"}:
        raise bad_request("include", f"{found.include} is not supported", "unsupported_value")
    return found


def chat_of(request: ResponseRequest) -> ChatRequest:
    """The same as a chat."""
    messages = _messages(request.input)
    if request.instructions is not None:
        messages.insert(0, {"role": "system", "content": request.instructions})
    text: dict[str, Any] = request.text or {}
    form = _format(text.get("format"))
    wants = bool(request.include) or request.top_logprobs > 0
    return ChatRequest(
        model=request.model, messages=messages, max_completion_tokens=request.max_output_tokens,
        temperature=request.temperature, top_p=request.top_p, response_format=form,
        tools=[_tool(tool, at) for at, tool in enumerate(request.tools or [])] or None,
        tool_choice=request.tool_choice, service_tier=request.service_tier,
        prompt_cache_key=request.prompt_cache_key, logprobs=wants, top_logprobs=request.top_logprobs or None,
        stream=request.stream,
    )  # fmt: skip


def _format(given: Any) -> dict[str, Any] | None:
    if given is not None and not isinstance(given, dict):
        raise bad_request("text.format", "`text.format` is an object")
    form = cast("dict[str, Any] | None", given)
    schema_of(form, "text.format")
    return form


def ask_of_response(request: ResponseRequest, model: ServedModel) -> tuple[Ask, ChatRequest]:
    chat = chat_of(request)
    return ask_of_chat(chat, model), chat


def _tool(tool: dict[str, Any], at: int) -> dict[str, Any]:
    """Functions have their fields one level higher here."""
    if tool.get("type") != "function":
        text = f"tools are functions, {tool.get('type')!r} is not supported"
        raise bad_request(f"tools[{at}]", text, "unsupported_value")
    return {"type": "function", "function": {k: v for k, v in tool.items() if k != "type"}}


def _messages(given: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    found = list[dict[str, Any]]()
    for at, item in enumerate(given):
        match item.get("type", "message"):
            case "message":
                found.append({"role": item.get("role"), "content": item.get("content")})
            case "function_call":
                _add_call(found, item, at)
            case "function_call_output":
                content = {"tool_call_id": item.get("call_id"), "content": item.get("output")}
                found.append({"role": "tool"} | content)
            case kind:
                text = f"items are messages, function calls and their outputs, {kind!r} is not supported"
                raise bad_request(f"input[{at}].type", text, "unsupported_value")
    return found


def _add_call(found: list[dict[str, Any]], item: dict[str, Any], at: int) -> None:
    """Calls that follow each other belong to one message."""
    function = {"name": item.get("name"), "arguments": item.get("arguments")}
    if not isinstance(item.get("call_id"), str) or not isinstance(function["name"], str):
        raise bad_request(f"input[{at}]", "a function call has a `call_id`, a `name` and `arguments`")
    call = {"id": item["call_id"], "type": "function", "function": function}
    if found and found[-1].get("tool_calls"):
        found[-1]["tool_calls"].append(call)
    else:
        found.append({"role": "assistant", "content": None, "tool_calls": [call]})
