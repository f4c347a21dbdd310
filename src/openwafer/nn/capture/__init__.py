"""A PyTorch model as a graph of our own."""
