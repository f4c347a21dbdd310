"""Text from the simulated wafer is `transformers`' greedy text, whatever happens on the way."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `torch`")
transformers = pytest.importorskip("transformers", reason="needs the extra `dev`")
pytest.importorskip("openai", reason="needs the extra `dev`")

from serve_kit import Served, make_model, serving  # noqa: E402

from openwafer.serve import EstimatedSpec, Local, WaferSpec, load_local  # noqa: E402
from openwafer.serve.core._job import Job  # noqa: E402

pytestmark = pytest.mark.torch
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is a wafer?"}]
ONE, TWO = (WaferSpec(name, shape=(2, 2), prefill=8) for name in ("one", "two"))
NUMPY = [WaferSpec(name, shape=(2, 2), prefill=8, engine="numpy") for name in ("one", "two")]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "tiny", context=160)


@pytest.fixture(scope="module")
def local(directory: Path) -> Local:
    return load_local(directory)


@pytest.fixture(scope="module")
def served(local: Local) -> Iterator[Served]:
    with serving([ONE], local=local) as found:
        yield found


class Oracle:
    """What `transformers` says."""

    def __init__(self, directory: Path) -> None:
        self.model = transformers.AutoModelForCausalLM.from_pretrained(directory).eval()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(directory)

    def prompt(self, messages: Any, **more: Any) -> list[int]:
        text = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, **more
        )
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def greedy(self, ids: list[int], count: int) -> list[int]:
        with torch.no_grad():
            found = self.model.generate(
                torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), max_new_tokens=count,
                do_sample=False, pad_token_id=257,
            )  # fmt: skip
        return found[0, len(ids) :].tolist()

    def text(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True)


@pytest.fixture(scope="module")
def oracle(directory: Path) -> Oracle:
    return Oracle(directory)


def test_templates_are_those_of_transformers(local: Local, oracle: Oracle) -> None:
    assert local.codec.template is not None
    function = {"name": "f", "parameters": {"type": "object"}, "description": "é"}
    tools = [{"type": "function", "function": function}]
    for given in (None, tools):
        text = local.codec.template.render(MESSAGES, given)
        wanted = oracle.tokenizer.apply_chat_template(
            MESSAGES, tools=given, tokenize=False, add_generation_prompt=True
        )
        assert text == wanted and local.codec.encode(text) == oracle.prompt(MESSAGES, tools=given)


def test_greedy_text_with_prefixes_read_before(served: Served, oracle: Oracle) -> None:
    """Three turns of a conversation, then an older one again: what is on the wafer is not read again."""
    client = served.client()
    messages: list[Any] = list(MESSAGES)
    cached = []
    for turn in range(3):
        ids = oracle.prompt(messages)
        count = min(12, 160 - len(ids))
        found = client.chat.completions.create(
            model="tiny", messages=messages, max_tokens=count, temperature=0
        )
        assert found.choices[0].message.content == oracle.text(oracle.greedy(ids, count))
        cached.append(found.usage.prompt_tokens_details.cached_tokens)
        receipt = found.openwafer
        assert receipt["kind"] == "wafer" and not receipt["estimated"] and receipt["joules"] > 0
        assert receipt["simulated"]["seconds"] < 0.1 < 10 < receipt["simulated"]["tokens_per_s"]
        messages = [*messages[: 2 + turn], {"role": "user", "content": f"And {turn}?"}]
    assert cached[0] == 0 and min(cached[1:]) > 20
    found = client.chat.completions.create(model="tiny", messages=MESSAGES, max_tokens=12, temperature=0)
    assert found.choices[0].message.content == oracle.text(oracle.greedy(oracle.prompt(MESSAGES), 12))
    assert found.usage.prompt_tokens_details.cached_tokens > 20


def test_probabilities_are_those_of_pytorch(served: Served, oracle: Oracle) -> None:
    """As `lm-eval` asks for them: of each token of a prompt."""
    text = "The wafer has 900,000 PEs."
    found = (
        served.client()
        .completions.create(
            model="tiny", prompt=text, max_tokens=1, temperature=0, echo=True, logprobs=1, seed=1
        )
        .choices[0]
    )
    ids = oracle.tokenizer(text)["input_ids"]
    with torch.no_grad():
        logs = torch.log_softmax(oracle.model(torch.tensor([ids])).logits[0].double(), -1)
    wanted = [float(logs[i, ids[i + 1]]) for i in range(len(ids) - 1)]
    assert found.logprobs.token_logprobs[0] is None
    assert np.allclose(found.logprobs.token_logprobs[1 : len(ids)], wanted, atol=2e-5)
    assert "".join(found.logprobs.tokens[: len(ids)]) == text
    best = [max(top.values()) for top in found.logprobs.top_logprobs[1 : len(ids)]]
    assert np.allclose(best, logs.max(-1).values[:-1].numpy(), atol=2e-5)


class Cutting:
    """Kills the backend of an answer behind its token `moment`, once."""

    def __init__(self, served: Served, moment: int) -> None:
        self._router, self._moment, self._is_done = served.service.router, moment, False

    def __call__(self, what: str, job: Job) -> None:
        """The router's watcher."""
        if what == "started" and not self._is_done and job.writer is not None:
            write = job.writer.write
            job.writer.write = lambda logits: self._then(job, write(logits))  # type: ignore[method-assign]
            self._look(job)

    def _then(self, job: Job, reason: Any) -> Any:
        self._look(job)
        return reason

    def _look(self, job: Job) -> None:
        if not self._is_done and len(job.writer.ids) - job.prompt_tokens == self._moment:  # type: ignore[union-attr]
            self._is_done = True
            name = job.backend
            self._router.clock.at(self._router.clock.now, lambda: self._router.kill(name))


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_failover_at_every_token(local: Local, oracle: Oracle, temperature: float) -> None:
    """An answer that moves to the other backend at any of its tokens is the answer of one that stays."""
    count = 10
    with serving(NUMPY, local=local) as served:
        client, router = served.client(), served.service.router
        ask: dict[str, Any] = {
            "model": "tiny", "messages": MESSAGES, "max_tokens": count, "temperature": temperature, "seed": 7,
        }  # fmt: skip
        wanted = client.chat.completions.create(**ask)
        text = wanted.choices[0].message.content
        if temperature == 0:
            assert text == oracle.text(oracle.greedy(oracle.prompt(MESSAGES), count))
        for moment in range(wanted.usage.completion_tokens):
            router._watch = Cutting(served, moment)  # pyright: ignore[reportPrivateUsage]
            if moment % 2:
                found = client.chat.completions.create(**ask)
                got, tried = found.choices[0].message.content, found.openwafer["backends_tried"]
                assert found.usage == wanted.usage.model_copy(
                    update={"prompt_tokens_details": found.usage.prompt_tokens_details}
                )
            else:
                options = {"include_usage": True}
                chunks = list(client.chat.completions.create(**ask, stream=True, stream_options=options))
                got = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
                tried = chunks[-1].openwafer["backends_tried"]
            assert got == text and sorted(tried) == ["one", "two"]
            for name in ("one", "two"):
                served.call(lambda name=name: router.resume(name))


def test_two_keys_share_nothing(local: Local) -> None:
    """A text of one owner is not found by another, even where it is the same."""
    from openwafer.serve._build import make_backends
    from openwafer.serve.core._clock import OfflineClock

    (found,) = make_backends(NUMPY[:1], OfflineClock(), local)
    lane = found.lanes[0]  # type: ignore[attr-defined]
    lane.owner = "alice"
    lane.prefill([1, 2, 3, 4])
    assert lane.common([1, 2, 3, 4, 5], "alice") == 4 and lane.common([1, 2, 3, 4, 5], "bob") == 0


def test_a_small_model_writes_for_a_large_one(local: Local, oracle: Oracle) -> None:
    spec = EstimatedSpec("large", "llama-3.1-70b", "cs3", systems=8)
    with serving([spec], local=local) as served:
        found = served.client().chat.completions.create(
            model="tiny", messages=MESSAGES, max_tokens=12, temperature=0
        )
    assert found.choices[0].message.content == oracle.text(oracle.greedy(oracle.prompt(MESSAGES), 12))
    assert found.openwafer["estimated"] and found.openwafer["system"].startswith("cs3")
    assert math.isclose(found.openwafer["simulated"]["tokens_per_s"], 560, rel_tol=0.3)
