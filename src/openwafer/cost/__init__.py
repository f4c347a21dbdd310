"""The cycles of scalar code and DSD operations."""
