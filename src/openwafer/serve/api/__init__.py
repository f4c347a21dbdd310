"""The HTTP API, as OpenAI's clients expect it."""
