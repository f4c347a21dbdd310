"""The engine that defines the semantics, in plain Python."""
