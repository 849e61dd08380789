"""One step of a Q network's optimiser: as it is written, compiled, or recorded as a CUDA graph."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from fvm_learners.cuda_graph import Graphed
from fvm_learners.hooks import HookList
from fvm_learners.rainbow.config import RainbowConfig
from fvm_learners.rainbow.q_network import QNetwork
from fvm_learners.replay.samplers import ReplayBatch

GRAPH_INPUTS = ("obs", "action", "return_", "discount", "next_obs", "weight")
"""What of a batch a recorded step takes."""


class Noise(NamedTuple):
    """Of the online and the target network, [1, num_noise] each; None for their means."""

    online: Tensor | None = None
    target: Tensor | None = None


Metrics = dict[str, Tensor]
Loss = Callable[[ReplayBatch, QNetwork, QNetwork, RainbowConfig, Noise], tuple[Tensor, Tensor, Metrics]]


class GradientStep:
    """Changes `policy` by its optimiser.

    Args:
        policy: Trained.
        target: Its target network.
        optimiser: Of `policy`.
        loss: `(batch, policy, target, config, noise) -> loss, each transition's loss, metrics`.
        hooks: Their terms are added to the loss, outside importance weights and priorities.
        config: How, and the longest gradient.

    Raises:
        ValueError: A graph cannot be recorded of this.
    """

    def __init__(
        self,
        policy: QNetwork,
        target: QNetwork,
        optimiser: Optimizer,
        loss: Loss,
        hooks: HookList,
        config: RainbowConfig,
    ) -> None:
        self.policy, self.target, self.optimiser, self.config = policy, target, optimiser, config
        self.loss: Loss = torch.compile(loss) if config.update_mode == "compile" else loss
        self.hooks = hooks
        self.graph: Graphed | None = None
        if config.update_mode == "cuda-graph":
            if policy.atoms.device.type != "cuda" or not hooks.graphable or policy.latent_size:
                raise ValueError(
                    f"update_mode='cuda-graph' on device '{policy.atoms.device}': it needs device='cuda', "
                    "only hooks that say they are graphable, and no latent_size; use 'eager' or 'compile'"
                )
            self.graph = Graphed(self._on_tensors)

    def __call__(self, batch: ReplayBatch, noise: Noise) -> tuple[Tensor, Metrics]:
        """Each transition's loss [B] for its priority, and metrics."""
        if self.graph is None:
            sample_loss, metrics = self._step(batch, noise)
        else:
            assert noise.online is not None
            assert noise.target is not None
            inputs = (getattr(batch, name) for name in GRAPH_INPUTS)
            sample_loss, metrics = self.graph(*inputs, noise.online, noise.target)
        self.hooks.after_step()
        return sample_loss, metrics

    def forget(self) -> None:
        """After other parameters are to be trained, or the optimiser's state was replaced."""
        if self.graph is not None:
            self.graph.forget()

    def _step(self, batch: ReplayBatch, noise: Noise) -> tuple[Tensor, Metrics]:
        self.optimiser.zero_grad()
        loss, sample_loss, metrics = self.loss(batch, self.policy, self.target, self.config, noise)
        loss, added = self.hooks.added(loss, self.policy, batch, torch.mean)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.config.max_grad_norm)
        self.optimiser.step()
        return sample_loss, metrics | added | {"grad_norm": norm}

    def _on_tensors(self, *tensors: Tensor) -> tuple[Tensor, Metrics]:
        *inputs, online, target = tensors
        nowhere = np.zeros(0, dtype=np.int64)
        given: dict[str, Any] = dict(zip(GRAPH_INPUTS, inputs, strict=True))
        batch = ReplayBatch(**given, task_index=nowhere, rows=nowhere)
        return self._step(batch, Noise(online, target))
