"""The estimate against published numbers."""
