"""Records: what a run, a training, an estimate or a sweep leaves behind, in one versioned form.

A record is a directory. `record.json` says which command made it, with which versions and options, on which
machine, and what came out; long runs append lines to `events.jsonl` while they go on."""

from openwafer.record._read import events, read
from openwafer.record._schema import FORMAT, VERSION, Kind, MachineMark, Record
from openwafer.record._write import Recorder, recording

__all__ = [
    "FORMAT",
    "VERSION",
    "Kind",
    "MachineMark",
    "Record",
    "Recorder",
    "events",
    "read",
    "recording",
]
