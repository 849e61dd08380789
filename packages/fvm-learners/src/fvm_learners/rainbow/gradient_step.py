"""Rainbow's gradient step recorded as a CUDA graph; the step itself stands in `rainbow.py`."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from fvm_learners.cuda_graph import Graphed
from fvm_learners.hooks import HookList
from fvm_learners.rainbow.q_network import QNetwork
from fvm_learners.replay.samplers import ReplayBatch

GRAPH_INPUTS = ("obs", "action", "return_", "discount", "next_obs", "weight")
"""What of a batch a recorded step takes."""


class Noise(NamedTuple):
    """Of the online and the target network, [1, num_noise] each; None for their means."""

    online: Tensor | None = None
    target: Tensor | None = None


Stepped = tuple[Tensor, dict[str, Tensor]]
"""Each transition's loss [B], and metrics."""


class RecordedStep:
    """Takes a step on a batch as the recording of one does.

    Args:
        step: What is recorded.
        policy: The network that it trains.
        hooks: Whose terms it adds.

    Raises:
        ValueError: A graph cannot be recorded of this.
    """

    def __init__(
        self, step: Callable[[ReplayBatch, Noise], Stepped], policy: QNetwork, hooks: HookList
    ) -> None:
        device = policy.atoms.device
        if device.type != "cuda" or not hooks.graphable or policy.latent_size:
            raise ValueError(
                f"update_mode='cuda-graph' on device '{device}': it needs device='cuda', only hooks that say "
                "they are graphable, and no latent_size; use 'eager' or 'compile'"
            )
        self._graph = Graphed(on_tensors(step))

    def __call__(self, batch: ReplayBatch, noise: Noise) -> Stepped:
        """Returns what the step does, in tensors that later steps do not change."""
        stepped: Stepped = self._graph(*tensors_of(batch, noise))
        return stepped

    def forget(self) -> None:
        """Records anew, as after a change of what is trained."""
        self._graph.forget()


def tensors_of(batch: ReplayBatch, noise: Noise) -> tuple[Tensor, ...]:
    """Returns all that a recorded step takes."""
    assert noise.online is not None
    assert noise.target is not None
    return (*(getattr(batch, name) for name in GRAPH_INPUTS), noise.online, noise.target)


def on_tensors(step: Callable[[ReplayBatch, Noise], Stepped]) -> Callable[..., Stepped]:
    """Returns the step as a function of what `tensors_of` gives, which is all that a graph may see."""

    def stepped(*tensors: Tensor) -> Stepped:
        *inputs, online, target = tensors
        nowhere = np.zeros(0, dtype=np.int64)
        given: dict[str, Any] = dict(zip(GRAPH_INPUTS, inputs, strict=True))
        return step(ReplayBatch(**given, task_index=nowhere, rows=nowhere), Noise(online, target))

    return stepped
