"""Wrong labels: masks held against what models see that have not learnt from them."""

from unetkit.suspicion.examine import FirstLook, Verdict, examine
from unetkit.suspicion.findings import KINDS, Finding
from unetkit.suspicion.mend import mended

__all__ = ["KINDS", "Finding", "FirstLook", "Verdict", "examine", "mended"]
