"""The compiled program: code, data, routes, tasks and exported symbols, in memory and as a directory."""

from openwafer.image._addresses import SYSTEM_BYTES, assign_addresses, used_bytes
from openwafer.image._build import build
from openwafer.image._fit import check_fit, run_on
from openwafer.image._image import Image
from openwafer.image._read import read
from openwafer.image._write import write

__all__ = [
    "SYSTEM_BYTES",
    "Image",
    "assign_addresses",
    "build",
    "check_fit",
    "read",
    "run_on",
    "used_bytes",
    "write",
]
