"""From a PyTorch model to a CSL program on the wafer."""

__all__: list[str] = []
