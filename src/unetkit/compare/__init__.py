"""Does it help on my data? Variants trained side by side, what each costs, and what differs by more than noise."""

from unetkit.compare.comparison import Comparison, Row, Watch, compare
from unetkit.compare.page import write_page
from unetkit.compare.variants import Variant, parse_labels

__all__ = ["Comparison", "Row", "Variant", "Watch", "compare", "parse_labels", "write_page"]
