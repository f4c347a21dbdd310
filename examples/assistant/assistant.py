"""An assistant for facts about wafers: it calls a tool, then answers as JSON. OpenAI's client, unmodified.

    openwafer serve --backends examples/assistant/estimated.toml
    python examples/assistant/assistant.py "How many PEs has a wafer?"

Small models write nonsense, but always a valid call and valid JSON: the server holds them to the schema.
What it
prints on standard error is the receipt: where the answer came from, what it took, and why from there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

from openai import OpenAI

from openwafer.machine import load_machine

FACTS = ("wafer.pes_sold", "wafer.clock_hz", "memory.bytes_per_pe", "fabric.hop_cycles")
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "machine_fact",
        "description": "A fact of a wafer, with its unit and its source.",
        "parameters": {
            "type": "object",
            "properties": {"machine": {"enum": ["wse2", "wse3"]}, "fact": {"enum": list(FACTS)}},
            "required": ["machine", "fact"],
            "additionalProperties": False,
        },
    },
}
ANSWER = {
    "type": "json_schema",
    "json_schema": {
        "name": "answer",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"text": {"type": "string", "maxLength": 60}, "is_certain": {"type": "boolean"}},
            "required": ["text", "is_certain"],
            "additionalProperties": False,
        },
    },
}


def machine_fact(machine: str, fact: str) -> str:
    found = load_machine(machine).by_name[fact]
    return json.dumps({"value": found.value, "unit": found.unit, "source": found.source})


def ask(client: OpenAI, model: str, question: str, tier: str) -> tuple[str, str, dict[str, Any]]:
    """The tool's answer, the assistant's, and its receipt."""
    messages: list[Any] = [{"role": "user", "content": question}]
    more: dict[str, Any] = {"model": model, "service_tier": tier, "temperature": 0}
    more["prompt_cache_key"] = question[:64]
    called = client.chat.completions.create(
        messages=messages, tools=[TOOL], tool_choice="required", max_tokens=200, **more
    )
    message = called.choices[0].message
    (call,) = message.tool_calls or []
    fact = machine_fact(**json.loads(call.function.arguments))
    answered = {"role": "tool", "tool_call_id": call.id, "content": fact}
    messages += [message.model_dump(exclude_none=True), answered]
    chunks = client.chat.completions.create(
        messages=messages, response_format=ANSWER, max_tokens=200, stream=True,
        stream_options={"include_usage": True}, **more,
    )  # fmt: skip
    text, receipt = "", {}
    for chunk in chunks:
        text += "".join(choice.delta.content or "" for choice in chunk.choices)
        receipt = getattr(chunk, "openwafer", None) or receipt
    return fact, text, receipt


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("question")
    parser.add_argument("--url", default="http://127.0.0.1:8000/v1")
    parser.add_argument("--model", help="default: the first that the server has")
    tiers = ["auto", "ultrafast", "priority", "default", "flex"]
    parser.add_argument("--tier", default="auto", choices=tiers)
    args = parser.parse_args()
    with OpenAI(base_url=args.url, api_key=os.environ.get("OPENWAFER_KEY", "none")) as client:
        model = args.model or next(iter(client.models.list())).id
        fact, text, receipt = ask(client, model, args.question, args.tier)
    print(f"tool: {fact}\nanswer: {text}")
    simulated = receipt.get("simulated") or {}
    print(
        f"from {receipt['backend']} ({receipt['kind']}: {receipt['system']}), "
        f"tier {receipt['tier']['used']}: "
        f"{simulated.get('seconds')} simulated s, {receipt['joules']} J, {receipt['co2_grams']} g, "
        f"${receipt['usd']}",
        file=sys.stderr,
    )
    for candidate in receipt["candidates"]:
        print(f"  {candidate['backend']}: {candidate['why_not'] or 'taken'}", file=sys.stderr)


if __name__ == "__main__":
    main()
