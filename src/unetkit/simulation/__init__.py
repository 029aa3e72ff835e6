"""What labels are worth: the making of labels, replayed on a set that has them all.

whole masks ──hidden──▶ label a little ─▶ train ─▶ score ─▶ a strategy chooses more ─▶ … ─▶ score against cost
"""

from unetkit.simulation.budget import Budget, parse_budgets
from unetkit.simulation.kinds import KINDS, Kind
from unetkit.simulation.replay import Watch
from unetkit.simulation.simulate import Row, Simulation, simulate

__all__ = ["KINDS", "Budget", "Kind", "Row", "Simulation", "Watch", "parse_budgets", "simulate"]
