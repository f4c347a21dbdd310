"""The operators of PyTorch that are captured, a family a file."""
