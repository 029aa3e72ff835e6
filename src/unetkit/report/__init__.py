"""What a run looked like, as one HTML file that opens offline."""

from unetkit.report.curves import curves_svg
from unetkit.report.data import (
    AttentionSheet,
    AugmentationSheet,
    Case,
    ErrorCrop,
    ObjectSheet,
    ReportData,
    Suspect,
)
from unetkit.report.html import write_report
from unetkit.report.overlay import overlay, to_rgb

__all__ = [
    "AttentionSheet",
    "AugmentationSheet",
    "Case",
    "ErrorCrop",
    "ObjectSheet",
    "ReportData",
    "Suspect",
    "curves_svg",
    "overlay",
    "to_rgb",
    "write_report",
]
