"""Backends: where tokens come from, and what they take."""
