"""The compiled program: code, data, routes, tasks and exported symbols, in memory and as a directory."""

from openwafer.image._addresses import SYSTEM_BYTES, assign_addresses, used_bytes
from openwafer.image._build import build
from openwafer.image._image import Image
from openwafer.image._read import read
from openwafer.image._write import write

__all__ = ["SYSTEM_BYTES", "Image", "assign_addresses", "build", "read", "used_bytes", "write"]
