"""Usage of answers, and their receipts, as they stand in responses."""

from __future__ import annotations

from typing import Any

from openwafer.serve.api._service import Service, Stream


def usage(streams: list[Stream], choices: int = 1) -> dict[str, Any]:
    """Of one request with `choices` answers a prompt: each prompt counts once, cached tokens as its first
    answer found them."""
    firsts = streams[::choices]
    prompt = sum(stream.job.prompt_tokens for stream in firsts)
    cached = sum(min(stream.job.cached, stream.job.prompt_tokens) for stream in firsts)
    completion = sum(stream.job.generated for stream in streams)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    }  # fmt: skip


def receipts(service: Service, streams: list[Stream]) -> dict[str, Any]:
    """The receipt of the first choice, and of the others."""
    first, *others = (service.receipt(stream) for stream in streams)
    return first | ({"choices": others} if others else {})


def receipt_headers(stream: Stream) -> dict[str, str]:
    """What is known when an answer begins."""
    job = stream.job
    found = {"x-openwafer-decision": job.id, "x-openwafer-backend": job.backend, "x-openwafer-kind": job.kind,
             "x-openwafer-tier": job.tier}  # fmt: skip
    if job.kind != "upstream" and job.first_s == job.first_s:
        found["x-openwafer-simulated-first-token-ms"] = f"{(job.first_s - job.arrived_s) * 1000:.6f}"
    if job.finish is not None and job.kind != "upstream":
        found["x-openwafer-simulated-ms"] = f"{(job.ended_s - job.arrived_s) * 1000:.6f}"
        found["x-openwafer-joules"] = f"{job.joules:.6g}"
    return {name: value for name, value in found.items() if value}
