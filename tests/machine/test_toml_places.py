"""The scanner finds every key and value that `tomllib` finds."""

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from openwafer.machine._toml_places import places

KEYS = st.sampled_from(["a", "b-1", "3", '"q.k"', "'l'", '"e\\n"'])
STRINGS = ['"s"', '"a\\"]"', "'#,}'", '"""m\n"x" ]"""', "'''\n#'''"]
SCALARS = st.sampled_from(["1", "-2.5e3", "true", "inf", "1979-05-27 07:32:00", *STRINGS])
GAPS = st.sampled_from(["", " ", "\n", " # note ]}\n", "\t"])


@st.composite
def values(draw: st.DrawFn, depth: int = 2) -> str:
    kind = draw(st.sampled_from(["scalar", "list", "table"])) if depth else "scalar"
    if kind == "scalar":
        return draw(SCALARS)
    if kind == "list":
        items = draw(st.lists(values(depth=depth - 1), max_size=3))
        gap = draw(GAPS)
        return "[" + gap + ",".join(f"{gap}{item}{gap}" for item in items) + "]"
    keys = draw(st.lists(KEYS, unique=True, max_size=3))
    return "{" + ", ".join(f"{key} = {draw(values(depth=depth - 1))}" for key in keys) + "}"


@st.composite
def documents(draw: st.DrawFn) -> str:
    lines = [f"{key} ={draw(values())} # c" for key in draw(st.lists(KEYS, unique=True, max_size=3))]
    for number, key in enumerate(draw(st.lists(KEYS, unique=True, max_size=3))):
        lines.append(f"[ t{number} . {key} ]")
        lines += [f"{k}.{k} = {draw(values())}" for k in draw(st.lists(KEYS, unique=True, max_size=3))]
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines)


def paths(table: dict[str, Any], prefix: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    found: dict[tuple[str, ...], Any] = {}
    for key, value in table.items():
        found[(*prefix, key)] = value
        if isinstance(value, dict):
            found |= paths(value, (*prefix, key))
    return found


@given(documents())
def test_every_value_is_where_the_scanner_says(text: str) -> None:
    found = places(text)
    for path, value in paths(tomllib.loads(text)).items():
        if path not in found:
            assert isinstance(value, dict), path
            continue
        if not isinstance(value, dict):
            start, end = found[path].value
            assert repr(tomllib.loads(f"x = {text[start:end]}")["x"]) == repr(value)
            key = text[slice(*found[path].key)]
            assert next(iter(tomllib.loads(f"{key} = 0"))) == path[-1]
