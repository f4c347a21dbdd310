"""Answers: what a plan costs, takes, emits and serves; every number with what it is made of."""

from openwafer.fleet.answers._account import Account, account
from openwafer.fleet.answers._figure import Figure, Figures, Trace, fact_text, shown
from openwafer.fleet.answers._figures import figures_of

__all__ = ["Account", "Figure", "Figures", "Trace", "account", "fact_text", "figures_of", "shown"]
