"""Fleets: what a site of many systems serves."""
