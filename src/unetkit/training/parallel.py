"""One process or several: who draws which part of a batch, and how the parts become one loss again.

Under `torchrun` every process predicts its share of the joint batch; the logits of all are then gathered, and every
process takes the loss of the whole batch. So any loss, also one that is no mean over pixels such as the batch Dice,
is exactly what one process with the joint batch would have had.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from unetkit.errors import UsageError


@dataclass(frozen=True, slots=True)
class World:
    """The processes that train together.

    Args:
        device: this process's.
        rank: this process's number.
        size: how many there are.
    """

    device: torch.device
    rank: int = 0
    size: int = 1

    @classmethod
    def join(cls, device: str = "auto") -> World:
        """Enter the group `torchrun` started, or stand alone where it did not.

        Args:
            device: "auto", "cpu", "cuda" or "cuda:1".

        Raises:
            UsageError: a device that this machine does not have.
        """
        size, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
        chosen = choose_device(device, int(os.environ.get("LOCAL_RANK", 0)))
        if size > 1 and not dist.is_initialized():
            if chosen.type == "cuda":
                torch.cuda.set_device(chosen)
            # while the leading process checks and plans, the others wait for its word
            dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=timedelta(hours=6))
        return cls(chosen, rank, size)

    def leave(self) -> None:
        """Leave the group; nothing to do where there is none."""
        if self.size > 1:
            dist.destroy_process_group()

    @property
    def leads(self) -> bool:
        """Whether this process writes the files and speaks to the user."""
        return self.rank == 0

    def places(self, batch: int) -> list[int]:
        """This process's places in a joint batch."""
        if batch % self.size:
            raise UsageError(
                "the batch cannot be shared out",
                found=f"{batch} patches for {self.size} processes",
                mend=f"--set training.batch={self.size * max(1, round(batch / self.size))}",
            )
        share = batch // self.size
        return list(range(self.rank * share, (self.rank + 1) * share))

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model with its gradients averaged over the processes."""
        if self.size == 1:
            return model
        return nn.parallel.DistributedDataParallel(model, [self.device] if self.device.type == "cuda" else None)

    def gather(self, part: Tensor) -> Tensor:
        """The joint batch from every process's part, in order; gradients flow back to each part."""
        if self.size == 1:
            return part
        if part.requires_grad:
            import torch.distributed.nn.functional as dist_functional

            return torch.cat(dist_functional.all_gather(part.contiguous()))  # type: ignore[no-untyped-call]
        parts = [torch.empty_like(part, memory_format=torch.contiguous_format) for _ in range(self.size)]
        dist.all_gather(parts, part.contiguous())
        return torch.cat(parts)

    def agree(self, value: int) -> int:
        """The leading process's value, in every process."""
        if self.size == 1:
            return value
        box = torch.tensor([value], device=self.device)
        dist.broadcast(box, 0)
        return int(box.item())


def choose_device(name: str, index: int = 0) -> torch.device:
    """The device called `name`; "auto" takes a GPU where there is one.

    Raises:
        UsageError: unknown, or not on this machine.
    """
    if name == "auto":
        return torch.device("cuda", index) if torch.cuda.is_available() else torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError("unknown device", found=name, expected="auto, cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise UsageError("unknown device", found=name, expected="auto, cpu, cuda or cuda:N")
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise UsageError(f"there is no {name}", found=f"{count} CUDA devices", mend="--device cpu")
        return device if device.index is not None else torch.device("cuda", index)
    return device
