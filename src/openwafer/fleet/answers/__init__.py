"""Answers: what a plan costs, takes, emits and serves; every number with what it is made of."""

from openwafer.fleet.answers._account import Account, account
from openwafer.fleet.answers._answer import DRAWS, Answer, Case, answer
from openwafer.fleet.answers._figure import Figure, Figures, Trace, fact_text, printed, shown
from openwafer.fleet.answers._figures import figures_of
from openwafer.fleet.answers._sensitivity import Change
from openwafer.fleet.answers._tradeoff import Point

__all__ = [
    "DRAWS",
    "Account",
    "Answer",
    "Case",
    "Change",
    "Figure",
    "Figures",
    "Point",
    "Trace",
    "account",
    "answer",
    "fact_text",
    "figures_of",
    "printed",
    "shown",
]
