"""Verification: additive counts, scores with intervals, and a report that can be mailed.

Counts are kept per run, lead time, region, threshold and model as whole numbers, so that every filter, split and
resampling gives the same score; scores are computed from pooled counts and never averaged.
"""

from __future__ import annotations

from sslpdl.verify.bins import EDGES, RELIABILITY_EDGES, quantise
from sslpdl.verify.calibration import reliability_by_lead, reliability_table
from sslpdl.verify.cases import chosen_cases, wettest_case
from sslpdl.verify.climatology import base_rate, with_climatology
from sslpdl.verify.condensing import condense, select
from sslpdl.verify.counting import Counter
from sslpdl.verify.decision import best_threshold, decision_curve
from sslpdl.verify.evaluation import compact_table, evaluate
from sslpdl.verify.merging import merge, read_counts, write_counts
from sslpdl.verify.neighbourhood import SCALES
from sslpdl.verify.parallel import workers
from sslpdl.verify.pooling import contingency, hour_groups, lead_groups
from sslpdl.verify.readable import with_intervals
from sslpdl.verify.reading import count
from sslpdl.verify.regions import standard_regions
from sslpdl.verify.reporting import report
from sslpdl.verify.summary import model_rows, tidy
from sslpdl.verify.table import check_identities, scores, stratified
from sslpdl.verify.value import economic_value_table

__all__ = [
    "EDGES",
    "RELIABILITY_EDGES",
    "SCALES",
    "Counter",
    "base_rate",
    "best_threshold",
    "check_identities",
    "chosen_cases",
    "compact_table",
    "condense",
    "contingency",
    "count",
    "decision_curve",
    "economic_value_table",
    "evaluate",
    "hour_groups",
    "lead_groups",
    "merge",
    "model_rows",
    "quantise",
    "read_counts",
    "reliability_by_lead",
    "reliability_table",
    "report",
    "scores",
    "select",
    "standard_regions",
    "stratified",
    "tidy",
    "wettest_case",
    "with_climatology",
    "with_intervals",
    "workers",
    "write_counts",
]
