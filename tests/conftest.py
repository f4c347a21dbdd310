"""Makes the helpers in this directory importable from all tests (`import tir_kit`)."""
