"""Training: one plain loop, its schedule, its checkpoints, and several processes when there are."""

from unetkit.training.hooks import Hooks, Interrupts, Stopped
from unetkit.training.loop import fit
from unetkit.training.parallel import World
from unetkit.training.run import RunFolder
from unetkit.training.state import Look, Outcome

__all__ = ["Hooks", "Interrupts", "Look", "Outcome", "RunFolder", "Stopped", "World", "fit"]
