"""Traces: requests of the past through estimated backends."""
