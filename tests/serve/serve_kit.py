"""Servers for tests: on loopback, in a thread; tiny models in directories."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

from openwafer.serve import (
    EstimatedSpec,
    Keys,
    Listen,
    Local,
    Options,
    Policy,
    Service,
    bound,
    load_local,
    load_policy,
    serve,
)
from patience import PATIENCE_S

WAFERS = EstimatedSpec("wafers", "llama-3.1-8b", "cs3", tokens="rule", grams_per_kwh=300.0)
GPUS = EstimatedSpec("gpus", "llama-3.1-8b", "h100", tokens="rule", grams_per_kwh=300.0)
TEMPLATE = (
    "{% if tools %}<|im_start|>tools\n{{ tools | tojson }}<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class Served:
    """A server that runs. `call` runs something in its event loop."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.base_url = f"{self.url}/v1"
        self.service: Service
        self.loop: asyncio.AbstractEventLoop
        self.log = StringIO()
        self._clients: list[Any] = []
        self._ready = threading.Event()
        self.failure: BaseException | None = None

    def begun(self, service: Service) -> None:
        self.service, self.loop = service, asyncio.get_running_loop()
        self._ready.set()

    def wait(self) -> None:
        assert self._ready.wait(PATIENCE_S)
        if self.failure is not None:
            raise self.failure

    def call(self, act: Any) -> Any:
        """In the server's loop, as an event of its clock."""
        done = threading.Event()

        def event() -> None:
            act()
            done.set()

        self.loop.call_soon_threadsafe(lambda: self.service.clock.arrive(event))
        assert done.wait(PATIENCE_S)

    def client(self, **more: Any) -> Any:
        """The unmodified client of OpenAI."""
        from openai import OpenAI

        found = OpenAI(base_url=self.base_url, **({"api_key": "none", "max_retries": 0} | more))
        self._clients.append(found)
        return found

    def close(self) -> None:
        for client in self._clients:
            client.close()


@contextmanager
def serving(
    specs: Sequence[Any] = (WAFERS, GPUS), *, local: Local | None = None, policy: Policy | None = None,
    keys: Keys | None = None, factor: float = 1e-3, options: Options | None = None,
) -> Iterator[Served]:  # fmt: skip
    listen = Listen(port=0, factor=factor, drain_s=1)
    sock = bound(listen)
    served = Served(sock.getsockname()[1])

    def run() -> None:
        try:
            asyncio.run(
                serve(
                    specs, local or load_local(None), policy or load_policy(), keys or Keys(None), listen,
                    options or Options(), sock=sock, ready=served.begun, log=served.log,
                )
            )  # fmt: skip
        except BaseException as failure:
            served.failure = failure
        finally:
            served._ready.set()  # pyright: ignore[reportPrivateUsage]

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    served.wait()
    try:
        yield served
    finally:
        served.close()
        served.loop.call_soon_threadsafe(served.service.stop)
        thread.join(PATIENCE_S)


def make_model(directory: Path, *, seed: int = 0, context: int = 96) -> Path:
    """A random Llama with a byte-level tokenizer and a chat template, as a Hugging Face directory."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    from openwafer.nn.models import Checkpoint, LlamaConfig, save
    from openwafer.nn.text import new_model

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    config = LlamaConfig(
        vocab_size=258, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=context, eos_token_id=257,
    )  # fmt: skip
    model = new_model(config, seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
        model.get_submodule("lm_head").weight[256:] = 0  # else it ends at once
    save(Checkpoint(config, model, tokenizer), directory)
    config_path = directory / "tokenizer_config.json"
    found = json.loads(config_path.read_text("utf-8"))
    config_path.write_text(
        json.dumps(found | {"chat_template": TEMPLATE, "eos_token": "<|im_end|>"}), "utf-8"
    )
    return directory
