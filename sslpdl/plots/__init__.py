"""Pictures: palettes with exact class edges, maps on the native grid, verification diagrams.

Figures are made without pyplot, so that they can be drawn in any thread, without a display, and leave nothing behind.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sslpdl.plots.palettes import PALETTES, PROBABILITY, RAIN, RAIN_SAFE, Palette, palette

if TYPE_CHECKING:
    from sslpdl.plots.calibration_of_twin import twin_figure
    from sslpdl.plots.curves import economic_value, fractions_skill, precision_recall, roc
    from sslpdl.plots.density_labels import label_curves
    from sslpdl.plots.diagrams import (
        performance,
        reliability,
        reliability_by_lead,
        score_by_hour,
        score_by_lead,
        score_by_region,
    )
    from sslpdl.plots.fields import field_map
    from sslpdl.plots.maps import class_map, new_map, time_label
    from sslpdl.plots.publication import MapPanel, Place, Sheet
    from sslpdl.plots.side_by_side import panels
    from sslpdl.plots.style import Picture, png

# matplotlib takes a third of a second to import: only those who draw pay for it
_WHERE = {
    "MapPanel": "publication",
    "Picture": "style",
    "Place": "publication",
    "Sheet": "publication",
    "class_map": "maps",
    "economic_value": "curves",
    "field_map": "fields",
    "fractions_skill": "curves",
    "label_curves": "density_labels",
    "new_map": "maps",
    "panels": "side_by_side",
    "performance": "diagrams",
    "png": "style",
    "precision_recall": "curves",
    "reliability": "diagrams",
    "reliability_by_lead": "diagrams",
    "roc": "curves",
    "score_by_hour": "diagrams",
    "score_by_lead": "diagrams",
    "score_by_region": "diagrams",
    "time_label": "maps",
    "twin_figure": "calibration_of_twin",
}

__all__ = [
    "PALETTES",
    "PROBABILITY",
    "RAIN",
    "RAIN_SAFE",
    "MapPanel",
    "Palette",
    "Picture",
    "Place",
    "Sheet",
    "class_map",
    "economic_value",
    "field_map",
    "fractions_skill",
    "label_curves",
    "new_map",
    "palette",
    "panels",
    "performance",
    "png",
    "precision_recall",
    "reliability",
    "reliability_by_lead",
    "roc",
    "score_by_hour",
    "score_by_lead",
    "score_by_region",
    "time_label",
    "twin_figure",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f"sslpdl.plots.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'sslpdl.plots' has no attribute {name!r}")
