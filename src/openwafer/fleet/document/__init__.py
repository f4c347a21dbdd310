"""A fleet's plan as data: sites, tranches, systems, workloads, limits; every fact with its source."""

from openwafer.fleet.document._fact import FACT_STATUSES, UNDISCLOSED, FactStatus, FactValue, PlanFact
from openwafer.fleet.document._quarter import HOURS_PER_QUARTER, Quarter, part_done
from openwafer.fleet.document._read import load_fleet, read_fleet
from openwafer.fleet.document._schema import (
    RISKS,
    Budgets,
    Fleet,
    Named,
    Option,
    Policies,
    Product,
    Risk,
    Site,
    Tranche,
    Workload,
)
from openwafer.fleet.document._spec import DatedFacts, at_date

__all__ = [
    "FACT_STATUSES",
    "HOURS_PER_QUARTER",
    "RISKS",
    "UNDISCLOSED",
    "Budgets",
    "DatedFacts",
    "FactStatus",
    "FactValue",
    "Fleet",
    "Named",
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
    "part_done",
    "read_fleet",
]
