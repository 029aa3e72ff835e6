"""Wrong labels: masks held against what models see that have not learnt from them."""

from unetkit.suspicion.doubt import SelfConfidence
from unetkit.suspicion.examine import Verdict, examine
from unetkit.suspicion.findings import KINDS, Finding
from unetkit.suspicion.mend import mended

__all__ = ["KINDS", "Finding", "SelfConfidence", "Verdict", "examine", "mended"]
