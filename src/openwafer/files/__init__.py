"""Files that somebody else made, read within bounds; files that must not be lost; folders with one writer."""

from openwafer.files._inside import inside
from openwafer.files._json import parse_json
from openwafer.files._one_writer import LOCK, one_writer
from openwafer.files._pack import pack
from openwafer.files._read import MIB, check_regular, decode, read_bytes, read_text
from openwafer.files._regular import read_regular
from openwafer.files._toml import parse_toml
from openwafer.files._write import flush_folder, replacing, write_bytes, writing

__all__ = [
    "LOCK",
    "MIB",
    "check_regular",
    "decode",
    "flush_folder",
    "inside",
    "one_writer",
    "pack",
    "parse_json",
    "parse_toml",
    "read_bytes",
    "read_regular",
    "read_text",
    "replacing",
    "write_bytes",
    "writing",
]
