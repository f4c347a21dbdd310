"""Requests, receipts, the clock: what backends, router and API share. Nothing here knows a network."""
