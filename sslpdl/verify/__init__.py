"""Verification: additive counts, scores with intervals, and a report that can be mailed.

Counts are kept per run, lead time, region, threshold and model as whole numbers, so that every filter, split and
resampling gives the same score; scores are computed from pooled counts and never averaged.
"""

from __future__ import annotations

from sslpdl.verify.bins import EDGES, RELIABILITY_EDGES, quantise
from sslpdl.verify.calibration import reliability_by_lead, reliability_table
from sslpdl.verify.climatology import base_rate, with_climatology
from sslpdl.verify.counting import Counter
from sslpdl.verify.decision import best_threshold, decision_curve
from sslpdl.verify.evaluation import compact_table, evaluate
from sslpdl.verify.merging import merge, read_counts, write_counts
from sslpdl.verify.pooling import contingency, lead_groups
from sslpdl.verify.readable import with_intervals
from sslpdl.verify.reading import count
from sslpdl.verify.regions import standard_regions
from sslpdl.verify.reporting import report
from sslpdl.verify.table import check_identities, scores

__all__ = [
    "EDGES",
    "RELIABILITY_EDGES",
    "Counter",
    "base_rate",
    "best_threshold",
    "check_identities",
    "compact_table",
    "contingency",
    "count",
    "decision_curve",
    "evaluate",
    "lead_groups",
    "merge",
    "quantise",
    "read_counts",
    "reliability_by_lead",
    "reliability_table",
    "report",
    "scores",
    "standard_regions",
    "with_climatology",
    "with_intervals",
    "write_counts",
]
