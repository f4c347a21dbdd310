"""Campaigns: generators of inputs, run over ranges of seeds; their ledger is `tests/campaigns.toml`."""
