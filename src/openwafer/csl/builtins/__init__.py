"""The builtins, a family a file."""
