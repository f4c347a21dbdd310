"""Any OpenAI-compatible endpoint by its URL. Its times are the wall's, its costs what the file says."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

import asyncio
import json
import math
import os
from collections.abc import AsyncIterator
from typing import Any

import httpx

from openwafer.serve.backends._protocol import Capacity, Host, Kind
from openwafer.serve.core._clock import Clock
from openwafer.serve.core._job import Job, Quote

_MEMORY = 1 / 16


class UpstreamFailed(Exception):
    """`retry_after_s`: when it may be tried again, if it said so."""

    def __init__(self, why: str, retry_after_s: float | None = None) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s


class UpstreamBackend:
    """`/completions` of a service with the same tokens: prompts go there as tokens, so an answer that began
    elsewhere goes on exactly. `usd_in` and `usd_out`: dollars a million tokens. Needs a running event
    loop."""

    kind: Kind = "upstream"
    is_simulated = False

    def __init__(
        self, name: str, clock: Clock, *, url: str, model: str, models: tuple[str, ...], context: int,
        slots: int = 64, key_variable: str | None = None, usd_in: float | None = None,
        usd_out: float | None = None, watts: float = 0.0, timeout_s: float = 60.0,
    ) -> None:  # fmt: skip
        self.name, self.models, self.system = name, models, url
        self._clock, self._model, self._context, self._slots = clock, model, context, slots
        key = os.environ.get(key_variable, "") if key_variable else ""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        timeout = httpx.Timeout(timeout_s, connect=5.0)
        self._client = httpx.AsyncClient(base_url=url.rstrip("/") + "/", headers=headers, timeout=timeout)
        self._usd_in, self._usd_out = usd_in, usd_out
        self._first_s, self._token_s = 0.5, 0.02
        """Of what was seen, the newest with a weight of `_MEMORY`; before that, a guess."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._host: Host | None = None

    def attach(self, host: Host) -> None:
        self._host = host

    def capacity(self) -> Capacity:
        return Capacity(self._slots, len(self._tasks), self._context)

    def watts(self) -> float:
        """Nobody knows."""
        return 0.0

    def extra_watts(self, job: Job) -> float:
        return 0.0

    def quote(self, job: Job) -> Quote | str:
        if job.writer is None or job.body is None:
            return "needs a text"
        ask = job.body["ask"]
        if ask.schema is not None or ask.wants_prompt or ask.top is not None:
            return "grammars and probabilities are not asked of upstreams"
        if job.prompt_tokens + (job.most_tokens or 1) > self._context:
            return "context"
        if len(self._tasks) >= self._slots:
            return "full"
        return Quote(self._first_s, self._token_s, None, self._usd(job.context, job.most_tokens or 0), None)

    def _usd(self, read: int, written: int) -> float | None:
        if self._usd_in is None or self._usd_out is None:
            return None
        return (read * self._usd_in + written * self._usd_out) / 1e6

    def start(self, job: Job) -> None:
        job.handle = self
        self._tasks[job.id] = asyncio.get_running_loop().create_task(self._run(job))

    def stop(self, job: Job) -> None:
        if task := self._tasks.pop(job.id, None):
            task.cancel()

    def fail(self, why: str) -> None:
        assert self._host is not None
        for id, task in list(self._tasks.items()):
            task.cancel()
            del self._tasks[id]
            self._host.failed(task.job, why)  # type: ignore[attr-defined]

    async def close(self) -> None:
        await self._client.aclose()

    # --- one answer ---

    async def _run(self, job: Job) -> None:
        task = asyncio.current_task()
        task.job = job  # type: ignore[union-attr]
        before = job.generated
        try:
            finish = await self._read(job)
        except UpstreamFailed as failure:
            why, retry_s = str(failure), failure.retry_after_s
            return self._tell(job, before, lambda: self._failed(job, why, retry_s))
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as failure:
            why = f"{type(failure).__name__}: {failure}"
            return self._tell(job, before, lambda: self._failed(job, why, None))
        self._tell(job, before, lambda: self._finished(job, finish))

    def _tell(self, job: Job, before: int, call: Any) -> None:
        def told() -> None:
            if self._tasks.pop(job.id, None) is None:
                return
            job.usd += self._usd(job.prompt_tokens + before, job.generated - before) or 0.0
            call()

        self._clock.arrive(told)

    def _failed(self, job: Job, why: str, retry_after_s: float | None) -> None:
        assert self._host is not None
        self._host.failed(job, why, retry_after_s)

    def _finished(self, job: Job, reason: str) -> None:
        assert self._host is not None
        if not math.isnan(job.first_s) and job.generated > 1:
            token_s = (self._clock.now - job.first_s) / (job.generated - 1)
            self._token_s += (token_s - self._token_s) * _MEMORY
        self._host.finished(job, reason)

    async def _read(self, job: Job) -> str:
        """Relays the answer; how it ended. Raises `UpstreamFailed`."""
        async with self._client.stream("POST", "completions", json=self._body(job)) as response:
            if response.status_code != 200:
                text = (await response.aread()).decode("utf-8", "replace")
                raise UpstreamFailed(
                    f"{response.status_code}: {text[:200]}", _retry_after_s(response.headers)
                )
            async for chunk in _events(response):
                if "error" in chunk:
                    raise UpstreamFailed(str(chunk["error"])[:200])
                for choice in chunk.get("choices", ()):
                    text, ids, finish = _parts(choice)
                    self._relay(job, text, ids, finish)
                    if finish is not None:
                        return "length" if finish == "length" else "stop"
        raise UpstreamFailed("the answer ended without a reason")

    def _relay(self, job: Job, text: str, ids: list[int], finish: str | None) -> None:
        def told() -> None:
            if job.id not in self._tasks or job.writer is None:
                return
            before = len(job.writer.ids)
            reason = None if finish is None else "length" if finish == "length" else "stop"
            job.writer.relay(text, ids, reason)
            job.generated += len(job.writer.ids) - before
            if math.isnan(job.first_s) and job.generated:
                job.first_s = self._clock.now
                self._first_s += (job.first_s - job.started_s - self._first_s) * _MEMORY
                assert self._host is not None
                self._host.first(job)

        self._clock.arrive(told)

    def _body(self, job: Job) -> dict[str, Any]:
        assert job.writer is not None and job.body is not None
        ask, seed = job.body["ask"], job.body["seed"]
        body: dict[str, Any] = {
            "model": self._model, "prompt": list(job.writer.ids), "stream": True,
            "max_tokens": (job.most_tokens or 16) - job.generated, "temperature": ask.temperature,
            "top_p": ask.top_p, "seed": seed, "return_token_ids": True,
        }  # fmt: skip
        if ask.stops:
            body["stop"] = list(ask.stops)
        if ask.bias:
            body["logit_bias"] = {str(token): value for token, value in ask.bias.items()}
        for name, value in (("presence_penalty", ask.presence), ("frequency_penalty", ask.frequency)):
            if value:
                body[name] = value
        return body


async def _events(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    async for line in response.aiter_lines():
        data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
        if data == "[DONE]":
            return
        if data:
            found = json.loads(data)
            if not isinstance(found, dict):
                raise UpstreamFailed(f"an event is no object: {data[:100]}")
            yield found


def _parts(choice: Any) -> tuple[str, list[int], str | None]:
    """Text, tokens and end of a choice. Raises `UpstreamFailed`."""
    if isinstance(choice, dict):
        text, ids = choice.get("text") or "", choice.get("token_ids") or []
        finish = choice.get("finish_reason")
        whole = isinstance(ids, list) and all(type(token) is int and token >= 0 for token in ids)
        if isinstance(text, str) and whole and (finish is None or isinstance(finish, str)):
            return text, ids, finish
    raise UpstreamFailed(f"a choice is not one of a text: {str(choice)[:100]}")


def _retry_after_s(headers: httpx.Headers) -> float | None:
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            return max(float(headers[name]) * unit, 0.0)
        except (KeyError, ValueError):
            continue
    return None
