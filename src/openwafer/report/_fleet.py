"""Pictures of a fleet's plan: power over time, sites, cost against carbon, a tornado."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from openwafer.fleet.answers import Answer
from openwafer.report._chart import (
    BOTTOM,
    COLORS,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    x_axis,
    y_axis,
)
from openwafer.report._templates import render

BAR, GAP = 22, 10
MAP_WIDTH, MAP_HEIGHT = 900, 520
LARGEST, SMALLEST = 46.0, 4.0
"""Radius of a site in pixels."""


@dataclass(frozen=True, slots=True)
class Band:
    """One colored area or bar."""

    name: str
    color: str
    points: str


def power_svg(found: Answer) -> str:
    """Power set aside by system, stacked, under the power that there is."""
    p, plan = found.plan.problem, found.plan
    mw = (plan.systems * p.provision[None, :, None] * p.site_factor[:, None, None]).sum(0) / 1e3
    most = p.site_mw.sum(0)
    limit = [float(min(a, b)) for a, b in zip(most, p.fleet_mw, strict=True)]
    y = y_axis([0.0, *limit, float(mw.sum(0).max())])
    x = Axis(0, p.quarters, LEFT, WIDTH - RIGHT)
    bands: list[Band] = []
    base = [0.0] * p.quarters
    for s, name in enumerate(p.systems):
        top = [b + float(v) for b, v in zip(base, mw[s], strict=True)]
        if mw[s].any():
            bands.append(Band(name, COLORS[len(bands) % len(COLORS)], _area(x, y, base, top)))
        base = top
    return render(
        "fleet_power.svg", width=WIDTH, height=HEIGHT, left=LEFT, right=WIDTH - RIGHT, top=TOP,
        bottom=HEIGHT - BOTTOM, bands=bands, limit=_steps(x, y, limit), ticks=y.ticks(),
        quarters=[(x.at(q + 0.5), str(p.fleet.quarter(q))) for q in range(p.quarters)],
        title=f"{p.fleet.name}: MW set aside, counted as {p.fleet.policies.power} power",
    )  # fmt: skip


def _steps(x: Axis, y: Axis, values: Sequence[float]) -> str:
    points = [(x.at(q + side), y.at(v)) for q, v in enumerate(values) for side in (0, 1)]
    return " ".join(f"{px:.1f},{py:.1f}" for px, py in points)


def _area(x: Axis, y: Axis, low: Sequence[float], high: Sequence[float]) -> str:
    down = " ".join(reversed(_steps(x, y, low).split(" ")))
    return f"{_steps(x, y, high)} {down}"


def tradeoff_svg(found: Answer) -> str:
    """Cost against carbon: plans that serve the same."""
    points = [(p.usd / 1e6, p.tonnes / 1e3) for p in found.tradeoff]
    mine = (found.plan.usd / 1e6, found.plan.tonnes / 1e3)
    x, y = x_axis([*(a for a, _ in points), mine[0]]), y_axis([*(b for _, b in points), mine[1]])
    return render(
        "fleet_tradeoff.svg", width=WIDTH, height=HEIGHT, left=LEFT, right=WIDTH - RIGHT, top=TOP,
        bottom=HEIGHT - BOTTOM, line=" ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in points),
        points=[(x.at(a), y.at(b), f"{a:,.0f} M$, {b:,.0f} kt") for a, b in points],
        mine=(x.at(mine[0]), y.at(mine[1]), f"the plan: {mine[0]:,.0f} M$, {mine[1]:,.0f} kt"),
        x_ticks=x.ticks(), y_ticks=y.ticks(), title=f"{found.fleet.name}: cost against carbon",
    )  # fmt: skip


def tornado_svg(found: Answer) -> str:
    """Dollars a million tokens with each risk at its low and its high tenth."""
    middle = found.figures.value("usd_per_mtok_all_p50") if found.bars else 0.0
    x = x_axis([v for bar in found.bars for v in (bar.usd_low, bar.usd_high)] + [middle])
    left = 170
    x = Axis(x.low, x.high, left, WIDTH - RIGHT)
    rows = [
        {
            "name": bar.risk, "y": TOP + k * (BAR + GAP),
            "low": x.at(bar.usd_low), "high": x.at(bar.usd_high),
            "from": min(x.at(bar.usd_low), x.at(bar.usd_high)),
            "size": max(abs(x.at(bar.usd_high) - x.at(bar.usd_low)), 1.0),
            "text": f"{bar.usd_low:.3g} to {bar.usd_high:.3g}",
        }
        for k, bar in enumerate(found.bars)
    ]  # fmt: skip
    height = TOP + len(rows) * (BAR + GAP) + BOTTOM
    return render(
        "fleet_tornado.svg", width=WIDTH, height=height, left=left, right=WIDTH - RIGHT, top=TOP,
        bottom=height - BOTTOM, bar=BAR, rows=rows, middle=x.at(middle), ticks=x.ticks(),
        title=f"{found.fleet.name}: $ a million tokens, each risk at its low and high tenth",
    )  # fmt: skip


def sites_svg(found: Answer) -> str:
    """Sites where they lie, as circles: power that there is, and what of it is set aside; others below."""
    p, a = found.plan.problem, found.chosen
    sites = [p.fleet.sites[name] for name in p.sites]
    placed = [i for i, site in enumerate(sites) if site.latitude and site.longitude]
    most = max(float(p.site_mw[:, -1].max()), 1e-9)
    longitudes = [f.number for i in placed if (f := sites[i].longitude)] or [0.0]
    latitudes = [f.number for i in placed if (f := sites[i].latitude)] or [0.0]
    x = Axis(min(longitudes), max(longitudes), 90, MAP_WIDTH - 90)
    y = Axis(min(latitudes), max(latitudes), MAP_HEIGHT - 150, 90)
    others = [i for i in range(len(sites)) if i not in placed]
    circles: list[dict[str, object]] = []
    for k, i in enumerate([*placed, *others]):
        longitude, latitude = sites[i].longitude, sites[i].latitude
        if longitude and latitude:
            at = (x.at(longitude.number), y.at(latitude.number))
        else:
            at = (120.0 + 160 * (k - len(placed)), MAP_HEIGHT - 70.0)
        power, used = float(p.site_mw[i, -1]), float(a.set_aside_mw[i, -1])
        circles.append({
            "x": at[0], "y": at[1], "r": _radius(power, most), "used": _radius(used, most) if used else 0.0,
            "name": p.sites[i], "text": f"{used:,.0f} of {power:,.0f} MW",
            "is_guess": sites[i].power[-1][1].is_assumed, "carbon": f"{sites[i].carbon.number:,.0f} g/kWh",
        })  # fmt: skip
    return render(
        "fleet_sites.svg", width=MAP_WIDTH, height=MAP_HEIGHT, circles=circles,
        title=f"{p.fleet.name}: sites in {p.fleet.quarter(p.quarters - 1)}, by latitude and longitude",
    )  # fmt: skip


def _radius(mw: float, most: float) -> float:
    """Areas are in proportion to power."""
    return max(LARGEST * (mw / most) ** 0.5, SMALLEST)
