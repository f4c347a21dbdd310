"""Facts of a plan that cannot all be true, though each is in its range."""

from __future__ import annotations

import datetime

from openwafer.diag import Diagnostic, Label, brief, suggest
from openwafer.fleet.document._fact import PlanFact
from openwafer.fleet.document._schema import Fleet, Site
from openwafer.fleet.document._spec import at_date


def contradictions(fleet: Fleet) -> list[Diagnostic]:
    """Diagnostics: fleet-dates-contradict, fleet-out-of-range, fleet-missing-fact, fleet-missing-table,
    fleet-unknown-site."""
    found: list[Diagnostic] = []
    for tranche in fleet.tranches.values():
        found += _order(tranche.from_date, tranche.until_date)
        found += _before_end(fleet, tranche.from_date)
    for option in fleet.options.values():
        found += [*_order(option.from_date, option.until_date), *_order(option.decide, option.from_date)]
    for site in fleet.sites.values():
        first, fact = site.power[0]
        if first >= fleet.end:
            found.append(
                _clash(fact, f"`{site.name}` has power from {first}, but the plan ends at {fleet.end}")
            )
    for product in fleet.systems.values():
        if product.idle.number > product.provision.number:
            text = f"`{product.name}` takes {product.idle.number:g} kW idle, more than its provision"
            found.append(_clash(product.idle, text, product.provision, "fleet-out-of-range"))
    return [*found, *_installed(fleet), *_risks(fleet)]


def _installed(fleet: Fleet) -> list[Diagnostic]:
    """Systems stand at sites that there are, and that have power for them."""
    wrong = [
        Diagnostic("fleet-unknown-site", f"no site `{site}`", fact.span, help=suggest(site, fleet.sites))
        for product in fleet.systems.values()
        for site, fact in (product.installed or {}).items()
        if site not in fleet.sites
    ]
    return wrong or [clash for site in fleet.sites.values() for clash in _too_many(fleet, site)]


def _too_many(fleet: Fleet, site: Site) -> list[Diagnostic]:
    held = [
        (p, p.installed[site.name])
        for p in fleet.systems.values()
        if p.installed and site.name in p.installed
    ]
    factor = site.pue.number if fleet.policies.power == "facility" else 1.0
    wanted = sum(fact.number * product.provision.number for product, fact in held) * factor / 1e3
    there = at_date(site.power, (fleet.start + 1).first_day)
    most = there.number if there else 0.0
    if wanted <= most * (1 + 1e-9):
        return []
    text = f"what is installed at `{site.name}` needs {wanted:,.1f} MW of its {most:,.1f} MW"
    return [_clash(held[0][1], text, there, "fleet-out-of-range")]


def _order(first: PlanFact, last: PlanFact) -> list[Diagnostic]:
    if first.date <= last.date:
        return []
    text = f"`{first.name}` is {first.date}, after `{last.name}`, {last.date}"
    return [_clash(first, text, last)]


def _before_end(fleet: Fleet, fact: PlanFact) -> list[Diagnostic]:
    day: datetime.date = fact.date
    if day < fleet.end:
        return []
    return [_clash(fact, f"`{fact.name}` is {day}, but the plan ends at {fleet.end}")]


def _risks(fleet: Fleet) -> list[Diagnostic]:
    """Delays are stated in weeks and the part that is late; other risks by two factors, the first lower."""
    found: list[Diagnostic] = []
    confidence = fleet.policies.confidence
    if confidence and not fleet.risks:
        text = "a `confidence` needs a risk at least: `[risks.NAME]`"
        found.append(Diagnostic("fleet-missing-table", text, confidence.span))
    for risk in fleet.risks.values():
        is_delay = risk.what.endswith("delay")
        needed = ("late", "weeks") if is_delay else ("low", "high")
        given = [getattr(risk, name) for name in needed]
        if None in given and not (risk.what.endswith("throughput") and given == [None, None]):
            text = f"a risk of `{risk.what}` states `{needed[0]}` and `{needed[1]}`"
            found.append(Diagnostic("fleet-missing-fact", text, risk.span))
        elif risk.low and risk.high and risk.low.number > risk.high.number:
            text = f"`{risk.low.name}` is {risk.low.number:g}, more than `{risk.high.name}`"
            found.append(_clash(risk.low, text, risk.high, "fleet-out-of-range"))
    return found


def _clash(
    fact: PlanFact, message: str, other: PlanFact | None = None, id: str = "fleet-dates-contradict"
) -> Diagnostic:
    labels = (Label(other.span, "the other"),) if other and other.span else ()
    return Diagnostic(id, brief(message), fact.span, labels=labels)
