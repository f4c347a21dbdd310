"""`/v1/responses`: whole, or as its events."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from openwafer.serve.api._chat import ChatRequest, logprob_entry, pieces_of, tool_names
from openwafer.serve.api._errors import ApiError
from openwafer.serve.api._events import event
from openwafer.serve.api._responses_request import ResponseRequest
from openwafer.serve.api._service import Service, Stream
from openwafer.serve.api._tally import receipts, usage
from openwafer.serve.text._answer import Piece
from openwafer.serve.text._tools import ToolCall, may_be_call, parse_calls


class ResponseWriter:
    """One response. Events have numbers that count up."""

    def __init__(self, service: Service, request: ResponseRequest, chat: ChatRequest, stream: Stream) -> None:
        self._service, self._request, self._chat, self._stream = service, request, chat, stream
        self.streams = [stream]
        self._codec = service.model(request.model).codec
        self._tools = tool_names(chat)
        self._base, self._created = stream.job.id[4:], int(time.time())
        self._count = 0

    # --- objects ---

    def _response(self, status: str, output: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        request = self._request
        return {
            "id": f"resp_{self._base}", "object": "response", "created_at": self._created, "status": status,
            "background": False, "error": None, "incomplete_details": None,
            "instructions": request.instructions, "max_output_tokens": request.max_output_tokens,
            "model": request.model, "output": output, "parallel_tool_calls": request.parallel_tool_calls,
            "previous_response_id": None, "reasoning": {"effort": None, "summary": None},
            "service_tier": self._stream.job.tier, "store": False, "temperature": request.temperature,
            "text": request.text or {"format": {"type": "text"}}, "tool_choice": request.tool_choice or
            "auto", "tools": request.tools or [], "top_p": request.top_p, "truncation": request.truncation,
            "usage": None, "user": None, "metadata": {},
        } | more  # fmt: skip

    def _done(self, output: list[dict[str, Any]]) -> dict[str, Any]:
        is_cut = self._stream.job.finish == "length"
        tally = usage(self.streams)
        counted = {
            "input_tokens": tally["prompt_tokens"],
            "input_tokens_details": {"cached_tokens": tally["prompt_tokens_details"]["cached_tokens"]},
            "output_tokens": tally["completion_tokens"], "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": tally["total_tokens"],
        }  # fmt: skip
        return self._response(
            "incomplete" if is_cut else "completed", output, usage=counted,
            incomplete_details={"reason": "max_output_tokens"} if is_cut else None,
            completed_at=None if is_cut else int(time.time()), openwafer=receipts(self._service,
            self.streams),
        )  # fmt: skip

    def _message(self, text: str, status: str, logprobs: list[dict[str, Any]]) -> dict[str, Any]:
        content = [] if status == "in_progress" else [self._part(text, logprobs)]
        return {
            "id": f"msg_{self._base}", "type": "message", "role": "assistant", "status": status,
            "content": content,
        }  # fmt: skip

    def _part(self, text: str, logprobs: list[dict[str, Any]]) -> dict[str, Any]:
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs}

    def _call(self, call: ToolCall, at: int, status: str = "completed") -> dict[str, Any]:
        return {
            "id": f"fc_{self._base}_{at}", "type": "function_call", "call_id": f"call_{self._base}_{at}",
            "name": call.name, "arguments": call.arguments if status == "completed" else "", "status": status,
        }  # fmt: skip

    def _logprobs(self, pieces: list[Piece]) -> list[dict[str, Any]]:
        return [logprob_entry(self._codec, entry) for piece in pieces for entry in piece.logprobs]

    async def whole(self) -> dict[str, Any]:
        pieces = [piece async for piece in pieces_of(self._stream)]
        text = "".join(piece.text for piece in pieces)
        calls = parse_calls(text, self._tools) if self._tools else []
        if calls:
            return self._done([self._call(call, at) for at, call in enumerate(calls)])
        status = "incomplete" if self._stream.job.finish == "length" else "completed"
        return self._done([self._message(text, status, self._logprobs(pieces))])

    # --- events ---

    def _event(self, kind: str, **more: Any) -> bytes:
        found = event({"type": kind, "sequence_number": self._count} | more, kind)
        self._count += 1
        return found

    async def events(self, stream: Stream) -> AsyncIterator[bytes]:
        yield self._event("response.created", response=self._response("in_progress", []))
        yield self._event("response.in_progress", response=self._response("in_progress", []))
        pieces, text, told = list[Piece](), "", ""
        async for piece in pieces_of(stream):
            pieces.append(piece)
            text += piece.text
            if self._tools and (piece.finish is None or parse_calls(text, self._tools)) and may_be_call(text):
                continue
            if not told and text:
                for data in self._begin_message():
                    yield data
            if text[len(told) :]:
                yield self._delta(text[len(told) :], piece)
                told = text
        calls = parse_calls(text, self._tools) if self._tools and not told else []
        async for data in self._end(calls, text, told, pieces):
            yield data

    def _begin_message(self) -> list[bytes]:
        place = {"output_index": 0, "item_id": f"msg_{self._base}", "content_index": 0}
        return [
            self._event(
                "response.output_item.added", output_index=0, item=self._message("", "in_progress", [])
            ),
            self._event("response.content_part.added", **place, part=self._part("", [])),
        ]

    def _delta(self, text: str, piece: Piece) -> bytes:
        place = {"output_index": 0, "item_id": f"msg_{self._base}", "content_index": 0}
        return self._event(
            "response.output_text.delta", **place, delta=text, logprobs=self._logprobs([piece])
        )

    async def _end(
        self, calls: list[ToolCall], text: str, told: str, pieces: list[Piece]
    ) -> AsyncIterator[bytes]:
        output: list[dict[str, Any]] = []
        if calls:
            for at, call in enumerate(calls):
                for data in self._call_events(call, at):
                    yield data
                output.append(self._call(call, at))
        else:
            for data in [] if told else self._begin_message():
                yield data
            status = "incomplete" if self._stream.job.finish == "length" else "completed"
            logprobs = self._logprobs(pieces)
            message = self._message(text, status, logprobs)
            place = {"output_index": 0, "item_id": f"msg_{self._base}", "content_index": 0}
            yield self._event("response.output_text.done", **place, text=text, logprobs=logprobs)
            yield self._event("response.content_part.done", **place, part=self._part(text, logprobs))
            yield self._event("response.output_item.done", output_index=0, item=message)
            output.append(message)
        response = self._done(output)
        yield self._event(f"response.{response['status']}", response=response)

    def _call_events(self, call: ToolCall, at: int) -> list[bytes]:
        place = {"output_index": at, "item_id": f"fc_{self._base}_{at}"}
        begun = self._call(call, at, "in_progress")
        return [
            self._event("response.output_item.added", output_index=at, item=begun),
            self._event("response.function_call_arguments.delta", **place, delta=call.arguments),
            self._event("response.function_call_arguments.done", **place, arguments=call.arguments,
                        name=call.name),
            self._event("response.output_item.done", output_index=at, item=self._call(call, at)),
        ]  # fmt: skip

    def last(self) -> bytes:
        return b""

    def failure(self, error: ApiError) -> bytes:
        """An error in the middle of a response."""
        return self._event("error", code=error.code, message=error.message, param=error.param)
