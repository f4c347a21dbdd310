"""Makes the helpers in this directory importable from all tests (`import tir_kit`).

A shell starts what it runs in the background with SIGINT ignored; the tests that interrupt must not wait for
ever there.

Hypothesis measures no time, since the machine may be busy, and draws the same examples at every run: what
draws others is a campaign, whose seeds are written down.
"""

import signal

from hypothesis import HealthCheck, settings

settings.register_profile(
    "openwafer", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("openwafer")
signal.signal(signal.SIGINT, signal.default_int_handler)
