"""What to label next: places, what a model thinks of them, ways to choose, and whether it pays.

images ──look──▶ Candidates ──STRATEGIES──▶ Suggestions ──▶ page, ledger ──labels arrive──▶ race, advice
"""

from unetkit.active.page import write_suggestions
from unetkit.active.strategies import STRATEGIES
from unetkit.active.suggest import Request, Suggestion, Suggestions, suggest

__all__ = ["STRATEGIES", "Request", "Suggestion", "Suggestions", "suggest", "write_suggestions"]
