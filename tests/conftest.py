"""Makes the helpers in this directory importable from all tests (`import tir_kit`).

A shell starts what it runs in the background with SIGINT ignored; the tests that interrupt must not wait for
ever there.
"""

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
