"""Receipts: what an answer took, where it came from, and why from there."""

from __future__ import annotations

import math
from typing import Any

from openwafer.serve.core._job import Candidate, Job, Quote


def receipt(job: Job, *, system: str, wall_s: float, wall_first_s: float | None) -> dict[str, Any]:
    """Of an answer that has ended, or goes on. Simulated and wall time apart; nothing of its text.

    `estimated` says that time, energy and cost are those of a system that is not there. Upstreams have no
    simulated time."""
    return {
        "id": job.id,
        "model": job.model,
        "backend": job.backend or None,
        "kind": job.kind or None,
        "system": system or None,
        "estimated": job.kind == "estimated",
        "tier": {"asked": job.asked_tier, "used": job.tier},
        "finish": job.finish,
        "tokens": {"prompt": job.prompt_tokens, "cached": job.cached, "completion": job.generated},
        "simulated": None if job.kind == "upstream" else _simulated(job),
        "wall": {"seconds": wall_s, "first_token_s": wall_first_s},
        "joules": _known(job, job.joules),
        "co2_grams": job.grams or None,
        "usd": job.usd or None,
        "backends_tried": list(job.tried),
        "candidates": [_candidate(c) for c in job.candidates],
    }


def _known(job: Job, value: float) -> float | None:
    return None if job.kind == "upstream" else value


def _simulated(job: Job) -> dict[str, float | None]:
    """Seconds."""
    spent = job.ended_s - job.first_s
    later = job.generated - 1
    return {
        "waited_s": _number(job.started_s - job.arrived_s),
        "first_token_s": _number(job.first_s - job.arrived_s),
        "seconds": _number(job.ended_s - job.arrived_s),
        "tokens_per_s": _number(later / spent) if later > 0 and spent > 0 else None,
    }


def _candidate(candidate: Candidate) -> dict[str, Any]:
    quote = candidate.quote
    return {
        "backend": candidate.backend,
        "chosen": not candidate.why_not,
        "why_not": candidate.why_not or None,
        "quote": None if quote is None else _quote(quote),
    }


def _quote(quote: Quote) -> dict[str, float | None]:
    return {
        "first_token_s": quote.first_s, "token_s": quote.token_s, "joules": quote.joules, "usd": quote.usd,
        "co2_grams": quote.grams, "cached_tokens": quote.cached,
    }  # fmt: skip


def _number(value: float) -> float | None:
    """JSON knows no NaN."""
    return None if math.isnan(value) else value
