"""Kernels: CSL, and the Python that chooses and costs it."""
