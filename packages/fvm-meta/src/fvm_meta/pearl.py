"""PEARL (Rakelly et al. 2019, arXiv 1903.08254), on Rainbow instead of SAC as in Mandi, Abbeel, James 2022.

    q(z | c) = product over the context's transitions of N(mu_i, sigma_i^2)                          (eq. 2)
             = N(mu, sigma^2),  sigma^2 = 1 / sum 1 / sigma_i^2,  mu = sigma^2 sum mu_i / sigma_i^2
    pretrain: z ~ q(z | c) for each task of a batch; loss = J_Q(s, z) + beta mean_tasks KL(q || N(0, I))
    adapt:    no gradients; act with z ~ q(z | c), drawn once an episode; c from the latest steps

The encoder learns from J_Q and the KL. A context is drawn uniformly from a task's latest steps, apart from
the prioritised batch; it has one-step rewards and one-hot actions. One z a task and update is shared by
online and target network, at s and s', without gradients through the targets. An empty context means the
prior.

*A posterior may collapse to the prior, or a network may ignore it*: `posterior_kl` is in the metrics in nats,
and `LatentPolicy.with_latent` plays with another task's z, or with z = 0.

`fvm_learners.RainbowConfig` has the size of z, and whether acting draws it at every step, as the authors'
Atari code does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
import torch
from fvm_learners import Hook, Iteration
from fvm_learners.config_checks import check_counts, check_flags, check_fractions, check_not_negative
from fvm_learners.hooks import Term
from fvm_learners.latent import LatentDistribution
from fvm_learners.replay.samplers import LearnerView, draw_tasks
from numpy.typing import NDArray
from torch import Tensor

from fvm_meta.capabilities import LatentLearner, LatentPlayer, ReplayBuffer
from fvm_meta.paradigm import EVERYTHING, Paradigm, Transfer
from fvm_meta.retention.kept import Kept
from fvm_meta.stream import Budget, Envs, Policy, Snapshot, Spent, State, train

SMALLEST_VARIANCE = 1e-7


@dataclass(frozen=True, kw_only=True)
class PEARLConfig:
    """Settings of PEARL.

    Attributes:
        kl_weight: Beta. More: a posterior nearer to the prior; too much and it says nothing.
        context_size: Transitions of a context.
        context_window: A task's latest steps that they are drawn from.
        context_with_replacement: Whether one step may be drawn twice, as the authors do.
        prior_frac: Fraction of the collected episodes, in pretraining and adaptation alike, that are played
            with z from the prior. With none, an agent that knows its tasks fails in none of them, its encoder
            forgets what failures mean, and on a new task it may go on in an error that it never sees
            corrected (Rakelly et al. collect under prior and posterior, algorithm 1; the authors do not).
        adaptation: "context", or "both" to fine-tune as well.
    """

    kl_weight: float = 0.1
    context_size: int = 10
    context_window: int = 100
    context_with_replacement: bool = False
    prior_frac: float = 0.25
    adaptation: Literal["context", "both"] = "context"

    def __post_init__(self) -> None:
        check_flags(self)
        check_counts(self, ("context_size", "context_window"))
        check_fractions(self, ("prior_frac",))
        check_not_negative(self, ("kl_weight",))
        if self.adaptation not in ("context", "both"):
            raise ValueError(f"adaptation={self.adaptation!r}: give 'context' or 'both'")


def product_of_gaussians(mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance [..., L] of the product of K factors [..., K, L]."""
    precision = 1 / variance.clamp(min=SMALLEST_VARIANCE)
    product = 1 / precision.sum(dim=-2)
    return product * (precision * mean).sum(dim=-2), product


def kl_to_prior(mean: Tensor, variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, I)) in nats [...], of [..., L]."""
    return 0.5 * (variance + mean**2 - 1 - variance.log()).sum(dim=-1)


def posterior(network: Any, contexts: Sequence[Any]) -> tuple[Tensor, Tensor]:
    """Mean and variance [T, L] of q(z | context) of T contexts; the prior's for one that is empty."""
    sizes = [len(context) for context in contexts]
    prior = torch.zeros(network.latent_size, device=next(network.parameters()).device)
    means, variances = [prior] * len(sizes), [torch.ones_like(prior)] * len(sizes)
    if any(sizes):
        factors = network.factors(contexts)
        for task, (mean, variance) in enumerate(zip(*(f.split(sizes) for f in factors), strict=True)):
            if sizes[task]:
                means[task], variances[task] = product_of_gaussians(mean, variance)
    return torch.stack(means), torch.stack(variances)


@dataclass(frozen=True)
class TaskInference:
    """The sampler of a PEARL learner: infers each task from its own latest steps."""

    config: PEARLConfig

    def batch(self, learner: LearnerView, rng: np.random.Generator) -> Any:
        """Equal shares from tasks drawn without replacement, each with one z; its posterior is in `extra`."""
        tasks = draw_tasks(learner, rng)
        mean, variance = posterior(
            learner.policy, [self.context(learner.policy, learner.replays[task], rng) for task in tasks]
        )
        batch = learner.make_batch(tasks, rng, latent=sample(mean, variance, rng))
        told = {"posterior/mean": mean, "posterior/variance": variance}  # [T, L]
        return replace(batch, extra={**batch.extra, **told})

    def latent(
        self,
        policy: Any,
        replays: Sequence[ReplayBuffer],
        task_index: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> Tensor:
        """A z for each slot that begins an episode, from what was seen of its task or from the prior."""
        told = rng.random(len(task_index)) >= self.config.prior_frac
        contexts = [
            self.context(policy, replays[task], rng, None if knows else 0)
            for task, knows in zip(task_index, told, strict=True)
        ]
        return sample(*posterior(policy, contexts), rng)

    def context(
        self, network: Any, replay: ReplayBuffer, rng: np.random.Generator, size: int | None = None
    ) -> Any:
        """A context of the config's size or of another; of fewer transitions where there are not enough."""
        config = self.config
        return replay.recent(
            config.context_size if size is None else size,
            config.context_window,
            rng,
            replace=config.context_with_replacement,
            next_obs=network.context_next_obs,
        )

    def kl_term(self, policy: Any, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """Beta KL(q || N(0, I)), one number a task, of which the learner takes the mean; the KL in nats."""
        kl = kl_to_prior(batch.extra["posterior/mean"], batch.extra["posterior/variance"])
        return self.config.kl_weight * kl, {"kl": kl.mean()}


def sample(mean: Tensor, variance: Tensor, rng: np.random.Generator) -> Tensor:
    """Z = mean + std * noise [T, L], with gradients to both."""
    noise = torch.from_numpy(rng.standard_normal(mean.shape, dtype=np.float32)).to(mean.device)
    return mean + variance.sqrt() * noise


class Inferring:
    """A PEARL learner that adapts: its policies carry what it infers from its latest steps.

    Those are `context_size` steps drawn from the last `context_window`; what came before counts no more.

    Args:
        learner: Of one task; trained in place, or only followed.
        inference: Its sampler.
        updates: Whether it learns as well.
    """

    def __init__(self, learner: LatentLearner, inference: TaskInference, *, updates: bool) -> None:
        self.learner, self.inference, self.updates = learner, inference, updates

    def iteration_env_steps(self, num_envs: int) -> int:
        """Env steps of a full iteration."""
        return self.learner.iteration_env_steps(num_envs)

    def iteration(self, envs: Envs, max_env_steps: int | None = None) -> Iteration:
        """The learner's iteration, or the same rows without its updates."""
        if self.updates:
            return self.learner.iteration(envs, max_env_steps)
        env_steps = self.iteration_env_steps(envs.num_envs)
        rows = min(env_steps, max_env_steps or env_steps) // envs.num_envs
        episodes = self.learner.collect(envs, rows)
        self.learner.updates_due = 0.0
        return Iteration(rows * envs.num_envs, 0, {}, episodes)

    def frozen_policy(self) -> LatentPlayer:
        """The policy with q(z | c); c is drawn by a generator of its own, as snapshots change no stream."""
        learner = self.learner
        rng = np.random.default_rng(learner.env_step)
        context = self.inference.context(learner.policy, learner.replays[0], rng)
        return infer(cast(LatentPlayer, learner.frozen_policy()), context)

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Overwrite the learner's parameters."""
        self.learner.load_weights(weights)

    def state_dict(self) -> State:
        """The learner's."""
        return self.learner.state_dict()

    def load_state_dict(self, state: State) -> None:
        """Go on as the learner that gave `state`."""
        self.learner.load_state_dict(state)


class PEARL(Paradigm):
    """A policy that is told what the latest transitions reveal of its task."""

    name = "pearl"
    version = 1
    Config = PEARLConfig
    config: PEARLConfig

    def pretrain(
        self,
        tasks: Sequence[Any],
        budget: Budget,
        rng: np.random.Generator,
        at: Sequence[int] = (),
        resume: State | None = None,
        demos: Sequence[Sequence[Any]] = (),
    ) -> Iterator[Snapshot]:
        """Yields snapshots as the networks learn from all tasks; their policies draw z from the prior."""
        learner, envs = self.start(tasks, rng, "resample")
        spent = Spent(demos=self.show(learner, envs, *demos))
        for snapshot in train(learner, envs, budget, at, resume, spent):
            yield _with_kl(snapshot)

    def adapt(
        self,
        snapshot: Snapshot | None,
        task: Any,
        budget: Budget,
        rng: np.random.Generator,
        at: Sequence[int] = (0,),
        demos: Sequence[Any] = (),
        resume: State | None = None,
    ) -> Iterator[Snapshot]:
        """Yields snapshots of the agent as it collects context on `task`, each with what it has inferred.

        Raises:
            ValueError: No snapshot was given, or demonstrations to a learner that has no use for them, or
                what only training has a use for.
        """
        if snapshot is None:
            raise ValueError("PEARL adapts a pretrained snapshot; None was given, use Scratch for that")
        tuned = self.config.adaptation == "both"
        if self.retain and not tuned:
            raise ValueError("PEARL that adapts by its context trains nothing: use retain=() with it")
        if self.transfer != EVERYTHING and not tuned:
            raise ValueError("PEARL that adapts by its context trains nothing: leave transfer out with it")
        kept = self.keep(snapshot)
        learner, envs = self.start(
            [task],
            rng,
            "stay",
            snapshot=snapshot,
            transfer=self.transfer,
            kept=kept,
        )
        shown = self.show(learner, envs, demos)
        spent = Spent(retention_env_steps=kept.env_steps, demos=shown)
        inferring = Inferring(learner, TaskInference(self.config), updates=tuned)
        for adapted in train(inferring, envs, budget, at, resume, spent):
            yield _with_kl(adapted)

    def start(
        self,
        tasks: Sequence[Any],
        rng: np.random.Generator,
        on_episode_end: str,
        hooks: Sequence[Hook] = (),
        snapshot: Snapshot | None = None,
        sampler: Any = None,
        transfer: Transfer = EVERYTHING,
        needs: type[Any] = LatentLearner,
        kept: Kept | None = None,
        **options: Any,
    ) -> tuple[Any, Envs]:
        """As every paradigm's; the sampler infers tasks, and the loss has the KL besides what hooks add.

        Raises:
            ValueError: The learner has no latent, or a sampler was given, which would be a second one.
        """
        if sampler is not None:
            raise ValueError(
                f"PEARL's sampler infers the tasks of a batch, and {type(sampler).__name__} would be a "
                "second one: use sampler=None"
            )
        inference = TaskInference(self.config)
        learner, envs = super().start(
            tasks,
            rng,
            on_episode_end,
            (Term("posterior", inference.kl_term), *hooks),
            snapshot,
            inference,
            transfer,
            needs=needs,
            kept=kept,
            **options,
        )
        if not getattr(learner.policy, "latent_size", 0):
            envs.close()
            raise ValueError(
                f"PEARL needs a learner whose network has a latent, and {type(learner).__name__}'s has none: "
                "give it a config with latent_size above 0"
            )
        return learner, envs

    def player(self, snapshot: Snapshot, task: Any, rng: np.random.Generator) -> Policy:
        """Returns the agent with what it infers of `task` from the second of two context windows.

        The first is played knowing little; the second, as in pretraining, with what the first one told.
        """
        learner, envs = self.start([task], rng, "stay", snapshot=snapshot)
        try:
            learner.collect(envs, -(-2 * self.config.context_window // envs.num_envs))
            return Inferring(learner, TaskInference(self.config), updates=False).frozen_policy()
        finally:
            envs.close()


def infer(policy: LatentPlayer, context: Any) -> LatentPlayer:
    """Returns the policy with q(z | context)."""
    with torch.no_grad():
        mean, variance = posterior(policy.network, [context])
    return policy.with_latent(LatentDistribution(mean, variance.sqrt()))


def _with_kl(snapshot: Snapshot) -> Snapshot:
    """The snapshot with the posteriors' mean KL to the prior in nats among its metrics."""
    if "posterior/kl" not in snapshot.metrics:
        return snapshot
    return replace(snapshot, metrics={**snapshot.metrics, "posterior_kl": snapshot.metrics["posterior/kl"]})
