"""Training: one plain loop, its schedule, its checkpoints, and several processes when there are."""

from unetkit.training.loop import Hooks, Outcome, Stopped, fit
from unetkit.training.parallel import World
from unetkit.training.run import RunFolder

__all__ = ["Hooks", "Outcome", "RunFolder", "Stopped", "World", "fit"]
