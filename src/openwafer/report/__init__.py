"""Pictures of results."""

from openwafer.report._hang import hang_svg, write_hang

__all__ = ["hang_svg", "write_hang"]
