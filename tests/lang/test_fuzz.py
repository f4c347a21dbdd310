"""Mutated programs end in a diagnostic or compile, each in bounded time; bench/fuzz.py does many more."""

from __future__ import annotations

import random

import csl_fuzz
import pytest

MUTATIONS = 50


@pytest.mark.parametrize("share", range(5))
def test_mutated_programs_give_diagnostics(share: int) -> None:
    _, failures = csl_fuzz.run(csl_fuzz.corpus(), range(share * MUTATIONS, (share + 1) * MUTATIONS))
    assert not failures, "\n".join(f"{f.kind}: {f.detail}" for f in failures)


def test_mutations_reach_beyond_the_parser() -> None:
    programs = csl_fuzz.corpus()
    counts, _ = csl_fuzz.run(programs, range(MUTATIONS))
    assert counts.get("ok", 0) > 0
    assert sum(n for id, n in counts.items() if not id.startswith(("syntax-", "lex-"))) > MUTATIONS / 4


def test_a_mutation_depends_on_its_seed_only() -> None:
    text = csl_fuzz.corpus()[0].files[csl_fuzz.corpus()[0].main]
    assert csl_fuzz.mutated(text, random.Random(5)) == csl_fuzz.mutated(text, random.Random(5))
    assert len({csl_fuzz.mutated(text, random.Random(n)) for n in range(20)}) > 10
