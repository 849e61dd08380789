"""One step of a Q network's optimiser: as it is written, compiled, or recorded as a CUDA graph."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from fvm_learners.cuda_graph import Graphed
from fvm_learners.iteration import LossTerm
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
        policy: trained.
        target: its target network.
        optimiser: of `policy`.
        loss: `(batch, policy, target, config, noise) -> loss, each transition's loss, metrics`.
        loss_term: its mean is added to the loss.
        config: how, and the longest gradient.
        rng: for `loss_term`.

    Raises:
        ValueError: A graph cannot be recorded of this.
    """

    def __init__(
        self,
        policy: QNetwork,
        target: QNetwork,
        optimiser: Optimizer,
        loss: Loss,
        loss_term: LossTerm | None,
        config: RainbowConfig,
        rng: torch.Generator,
    ) -> None:
        self.policy, self.target, self.optimiser, self.config = policy, target, optimiser, config
        self.loss: Loss = torch.compile(loss) if config.update_mode == "compile" else loss
        self.loss_term, self.rng = loss_term, rng
        self.graph: Graphed | None = None
        if config.update_mode == "cuda-graph":
            if policy.atoms.device.type != "cuda" or loss_term is not None or policy.latent_size:
                raise ValueError(
                    f"update_mode='cuda-graph' on device '{policy.atoms.device}': it needs device='cuda', "
                    "and neither loss_term nor latent_size; use 'eager' or 'compile'"
                )
            self.graph = Graphed(self._on_tensors)

    def __call__(self, batch: ReplayBatch, noise: Noise) -> tuple[Tensor, Metrics]:
        """Each transition's loss [B] for its priority, and metrics."""
        if self.graph is None:
            return self._step(batch, noise)
        assert noise.online is not None
        assert noise.target is not None
        inputs = (getattr(batch, name) for name in GRAPH_INPUTS)
        sample_loss, metrics = self.graph(*inputs, noise.online, noise.target)
        return sample_loss, metrics

    def forget(self) -> None:
        """After other parameters are to be trained, or the optimiser's state was replaced."""
        if self.graph is not None:
            self.graph.forget()

    def _step(self, batch: ReplayBatch, noise: Noise) -> tuple[Tensor, Metrics]:
        self.optimiser.zero_grad()
        loss, sample_loss, metrics = self.loss(batch, self.policy, self.target, self.config, noise)
        if self.loss_term is not None:
            term = self.loss_term(self.policy, batch, self.rng).mean()
            loss, metrics = loss + term, metrics | {"loss_term": term.detach()}
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.config.max_grad_norm)
        self.optimiser.step()
        return sample_loss, metrics | {"grad_norm": norm}

    def _on_tensors(self, *tensors: Tensor) -> tuple[Tensor, Metrics]:
        *inputs, online, target = tensors
        nowhere = np.zeros(0, dtype=np.int64)
        batch = ReplayBatch(**dict(zip(GRAPH_INPUTS, inputs, strict=True)), task_index=nowhere, rows=nowhere)
        return self._step(batch, Noise(online, target))
