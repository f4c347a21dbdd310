"""Errors as OpenAI's clients expect them: `{"error": {"message", "type", "param", "code"}}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """An answer that is an error. `retry_after_s`: when it may be different."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.retry_after_s = retry_after_s

    @property
    def body(self) -> dict[str, Any]:
        return {
            "error": {
                "message": self.message, "type": _TYPES.get(self.status, "server_error"),
                "param": self.param, "code": self.code,
            }
        }  # fmt: skip

    @property
    def headers(self) -> Mapping[str, str]:
        """Clients wait so long before they try again; where it is of no use they are told not to."""
        if self.retry_after_s is None:
            return {"x-should-retry": "false"} if self.status in (429, 503) else {}
        return {
            "retry-after-ms": f"{self.retry_after_s * 1000:.0f}",
            "retry-after": f"{max(round(self.retry_after_s), 1)}",
        }


_TYPES = {
    400: "invalid_request_error", 401: "invalid_request_error", 403: "invalid_request_error",
    404: "invalid_request_error", 405: "invalid_request_error", 408: "timeout_error",
    413: "invalid_request_error", 415: "invalid_request_error", 429: "rate_limit_error",
    503: "service_unavailable_error",
}  # fmt: skip


def bad_request(param: str | None, message: str, code: str = "invalid_value") -> ApiError:
    return ApiError(400, message, code=code, param=param)


def job_error(finish: str, wait_s: float) -> ApiError:
    """What a job's end means for its client. `wait_s`: wall seconds after which places may be free."""
    _, code, *more = finish.split(":", 2)
    words = more[0] if more else ""
    match code:
        case "model_not_found":
            return ApiError(404, "no backend serves this model", code=code, param="model")
        case "context_length_exceeded":
            text = "prompt and answer are longer than the context of every backend"
            return ApiError(400, text, code=code, param="max_completion_tokens")
        case "tier_unavailable":
            text = "no backend can keep what this service tier promises"
            return ApiError(503, text, code=code, param="service_tier", retry_after_s=wait_s)
        case "queue_full":
            return ApiError(429, "too many requests are waiting", code=code, retry_after_s=wait_s)
        case "timeout":
            return ApiError(408, "the answer took longer than is allowed", code=code)
        case _:
            return ApiError(500, f"the backend failed: {words}", code="backend_failed", retry_after_s=wait_s)
