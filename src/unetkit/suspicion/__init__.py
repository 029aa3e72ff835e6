"""Wrong labels: masks held against what models see that have not learnt from them."""

from unetkit.suspicion.doubt import SelfConfidence, label_quality
from unetkit.suspicion.examine import Examined, Verdict, examine, rank
from unetkit.suspicion.findings import KINDS, Finding
from unetkit.suspicion.mend import mended

__all__ = ["KINDS", "Examined", "Finding", "SelfConfidence", "Verdict", "examine", "label_quality", "mended", "rank"]
