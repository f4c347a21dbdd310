"""Pictures of results."""

from typing import TYPE_CHECKING

from openwafer._later import later
from openwafer.report._hang import hang_svg, write_hang

if TYPE_CHECKING:
    from openwafer.report._fleet import power_svg, sites_svg, tornado_svg, tradeoff_svg

__all__ = ["hang_svg", "power_svg", "sites_svg", "tornado_svg", "tradeoff_svg", "write_hang"]

__getattr__, __dir__ = later(__name__, {"_fleet": ("power_svg", "sites_svg", "tornado_svg", "tradeoff_svg")})
