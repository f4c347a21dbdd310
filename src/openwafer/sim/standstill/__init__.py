"""The reason why nothing can happen any more."""
