"""From demand and megawatts to a plan: which systems, where, when, at what cost and carbon."""

from openwafer.fleet.document import (
    RISKS,
    Budgets,
    DatedFacts,
    Fleet,
    Option,
    PlanFact,
    Policies,
    Product,
    Quarter,
    Risk,
    Site,
    Tranche,
    Workload,
    at_date,
    load_fleet,
    read_fleet,
)

__all__ = [
    "RISKS",
    "Budgets",
    "DatedFacts",
    "Fleet",
    "Option",
    "PlanFact",
    "Policies",
    "Product",
    "Quarter",
    "Risk",
    "Site",
    "Tranche",
    "Workload",
    "at_date",
    "load_fleet",
    "read_fleet",
]
