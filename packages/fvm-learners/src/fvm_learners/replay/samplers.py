"""Which buffers a batch comes from, and which latent it carries: a paradigm's way into a replay."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fvm_learners.replay.protected import PROTECTED, Protected
from fvm_learners.replay.replay import Replay


@dataclass(frozen=True)
class ReplayBatch:
    """What one update learns from.

    Attributes:
        obs: [B, *obs_shape].
        action: [B] int64.
        return_: [B] n-step.
        discount: [B] of the value of `next_obs`, 0 where the episode was done before.
        next_obs: [B, *obs_shape].
        weight: [B] importance weight, at most 1.
        task_index: [B] of the buffer each came from; `PROTECTED` of what is protected.
        rows: [B] in that buffer.
        latent: [B, latent_size] for both observations, may carry gradients; None without.
        extra: What a sampler adds for its learner's hooks, by name.
    """

    obs: Tensor
    action: Tensor
    return_: Tensor
    discount: Tensor
    next_obs: Tensor
    weight: Tensor
    task_index: NDArray[np.int64]
    rows: NDArray[np.int64]
    latent: Tensor | None = None
    extra: dict[str, Tensor] = field(default_factory=dict)


class SamplingConfig(Protocol):
    """What a sampler reads of its learner's config."""

    @property
    def batch_size(self) -> int: ...  # noqa: D102
    @property
    def tasks_per_batch(self) -> int | None: ...  # noqa: D102


class LearnerView(Protocol):
    """What a sampler sees of its learner."""

    @property
    def config(self) -> SamplingConfig: ...  # noqa: D102
    @property
    def policy(self) -> Any: ...  # noqa: D102
    @property
    def replays(self) -> Sequence[Replay]: ...  # noqa: D102
    @property
    def protected(self) -> Protected[Replay] | None: ...  # noqa: D102
    @property
    def ready_tasks(self) -> Sequence[int]: ...  # noqa: D102
    @property
    def beta(self) -> float: ...  # noqa: D102
    def make_batch(  # noqa: D102
        self, tasks: Sequence[int], rng: np.random.Generator, latent: Tensor | None = None
    ) -> Any: ...


class Sampler(Protocol):
    """Makes batches, and the latents that slots act with; both draw from `rng` alone and keep no state."""

    def batch(self, learner: LearnerView, rng: np.random.Generator) -> Any:
        """What the next update learns from; called only when `learner.ready_tasks` is not empty."""
        ...

    def latent(
        self,
        policy: Any,
        replays: Sequence[Replay],
        task_index: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> Tensor | None:
        """Latents [n, latent_size] for n slots that begin an episode of these tasks; None without."""
        ...


class TaskBalanced:
    """Equal shares from `config.tasks_per_batch` buffers, drawn from those that are ready; no latent."""

    def batch(self, learner: LearnerView, rng: np.random.Generator) -> Any:
        """One batch, shares equal to within one transition."""
        return learner.make_batch(draw_tasks(learner, rng), rng)

    def latent(
        self,
        policy: Any,
        replays: Sequence[Replay],
        task_index: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> Tensor | None:
        """None."""
        return None


def draw_tasks(learner: LearnerView, rng: np.random.Generator) -> list[int]:
    """The tasks of a batch, in order: drawn without replacement from those that are ready."""
    ready, config = list(learner.ready_tasks), learner.config
    num = min(config.tasks_per_batch or len(ready), len(ready), config.batch_size)
    return ready if num == len(ready) else sorted(rng.choice(ready, num, replace=False).tolist())


def prioritised_batch(
    learner: LearnerView, tasks: Sequence[int], rng: np.random.Generator, latent: Tensor | None = None
) -> ReplayBatch:
    """A batch with equal shares (to within one transition) from the buffers of `tasks`.

    What is protected has its own share first (`protected.py`). Importance weights turn it into a uniform draw
    of task and transition (Schaul et al. 2016, section 3.4):

        w_i = (N p_i)^-beta / max_j (N p_j)^-beta          N, p: size of and probability in i's own buffer

    Args:
        learner: Whose buffers.
        tasks: That are ready.
        rng: Draws the transitions.
        latent: [len(tasks), latent_size], one for all transitions of a task.
    """
    kept = learner.protected
    rest = learner.config.batch_size - (0 if kept is None else kept.count)
    shares = [len(part) for part in np.array_split(np.arange(rest), len(tasks))]
    sources = [(task, learner.replays[task]) for task in tasks]
    if kept is not None:
        shares.append(kept.count)
        sources.append((PROTECTED, kept.replay))
    parts, rows, likelihood = [], [], []
    for (_, replay), share in zip(sources, shares, strict=True):
        drawn, probability = replay.draw(share, rng)
        parts.append(replay.transitions(drawn))
        rows.append(drawn)
        likelihood.append(probability * replay.num_transitions)
    weight = np.concatenate(likelihood) ** -learner.beta

    def joined(name: str) -> Tensor:
        tensors = [getattr(part, name) for part in parts]
        return tensors[0] if len(tensors) == 1 else torch.cat(tensors)

    obs = joined("obs")
    repeats = torch.tensor(shares, device=obs.device)
    return ReplayBatch(
        obs=obs,
        action=joined("action"),
        return_=joined("return_"),
        discount=joined("discount"),
        next_obs=joined("next_obs"),
        weight=torch.from_numpy((weight / np.max(weight)).astype(np.float32)).to(obs.device),
        task_index=np.repeat(np.array([task for task, _ in sources], dtype=np.int64), shares),
        rows=np.concatenate(rows),
        latent=None if latent is None else latent.repeat_interleave(repeats, dim=0),
    )
