"""Layouts: which PE gets which program and which parameters."""
