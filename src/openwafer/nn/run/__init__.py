"""Compiled models that run on the wafer."""
