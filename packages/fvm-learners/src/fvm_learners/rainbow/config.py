"""Rainbow's hyperparameters, and presets with the source of each number."""

from dataclasses import dataclass, field
from typing import Literal

from fvm_learners.config_checks import (
    check_above_zero,
    check_counts,
    check_flags,
    check_fractions,
    check_not_negative,
    check_optional_above_zero,
    check_optional_count,
    check_widths,
    is_number,
)

ENCODERS = ("mlp", "data-efficient", "nature", "minatar")
UPDATE_MODES = ("eager", "compile", "cuda-graph")


@dataclass(frozen=True, kw_only=True)
class RainbowConfig:
    """Hyperparameters of `Rainbow`.

    Attributes:
        num_steps: Rows of an iteration; updates follow each row all the same.
        updates_per_env_step: Optimiser steps a step of one slot, once learning has started. More: learns more
            from each sample, at a higher price and the danger of overfitting to few.
        learn_start: Env steps before the first update, divided by the number of tasks for each buffer.
        batch_size: Transitions an update.
        tasks_per_batch: Tasks that they come from in equal shares, drawn anew for each; None for all.
        replay_capacity: Frames kept, all buffers together.
        n_step: Rewards before the bootstrap. More: news travel faster, from older policies.
        discount: Gamma.
        frame_stack: Frames in the last axis of an observation, oldest first; the replay keeps each once.
        priority_exponent: Alpha of p = loss^alpha; 0 samples uniformly.
        priority_loss: "cross-entropy" as in published implementations, or "kl", that without the target's
            own entropy, as in the paper's text; then what is predicted perfectly falls to priority 0.
        importance_exponent: Beta at first; it rises linearly to 1.
        beta_anneal_env_steps: Env steps until beta is 1.
        target_period_updates: Updates between copies of the network into the target network.
        num_atoms: Z of the return's distribution.
        v_min: Return of the first atom.
        v_max: Return of the last.
        learning_rate: Of Adam.
        adam_eps: Epsilon of Adam.
        max_grad_norm: Gradients longer than this are shortened to it.
        reward_clip: Rewards are clipped to plus or minus this; None leaves them.
        encoder: "data-efficient", "nature" or "minatar" for uint8 or bool images [H, W, C], "mlp" for
            vectors, "module:Factory" for an encoder of your own (`networks/encoders.py`).
        mlp_sizes: Widths of the "mlp" encoder.
        hidden_size: Of the value's and the advantage's hidden layer each.
        noisy_sigma: Sigma0 of the noisy layers. More: explores more.
        evaluation_eps: Probability of a uniform action of a frozen policy.
        acting_eps: The same while it learns, beside the noise of its weights; 0 in the paper.
        latent_size: Of the task variable z joined to the features, 0 for none.
        latent_every_step: Acting draws z at every step (as PEARL's authors on Atari), not once an episode.
        context_hidden_size: Of the context encoder.
        context_next_obs: Whether the context encoder sees what a step led to. The authors' does not, which is
            enough where tasks differ in rewards, not where they differ in what an action does.
        output_relu: a ReLU after both output layers, as in the authors' code (docs/deviations.md, B2).
        shifted_transitions: Action and reward are stored with the observation they led to, as in the
            authors' code (docs/deviations.md, B1).
        update_mode: "eager"; "compile" for torch.compile; "cuda-graph" for one replayed graph an update.
    """

    num_steps: int = 64
    updates_per_env_step: float = 1.0
    learn_start: int = 1_600
    batch_size: int = 32
    tasks_per_batch: int | None = None
    replay_capacity: int = 100_000
    n_step: int = 3
    discount: float = 0.99
    frame_stack: int = 1
    priority_exponent: float = 0.5
    priority_loss: Literal["cross-entropy", "kl"] = "cross-entropy"
    importance_exponent: float = 0.4
    beta_anneal_env_steps: int = 100_000
    target_period_updates: int = 2_000
    num_atoms: int = 51
    v_min: float = -10.0
    v_max: float = 10.0
    learning_rate: float = 1e-4
    adam_eps: float = 1.5e-4
    max_grad_norm: float = 10.0
    reward_clip: float | None = 1.0
    encoder: str = "mlp"
    mlp_sizes: tuple[int, ...] = (64,)
    hidden_size: int = 256
    noisy_sigma: float = 0.5
    evaluation_eps: float = 0.001
    latent_size: int = 0
    latent_every_step: bool = False
    context_hidden_size: int = 512
    context_next_obs: bool = False
    output_relu: bool = False
    shifted_transitions: bool = False
    update_mode: Literal["eager", "compile", "cuda-graph"] = "eager"
    acting_eps: float = field(default=0.0, metadata={"since": 2})

    def __post_init__(self) -> None:
        """Check each value.

        Raises:
            ValueError: One is out of its range.
        """
        check_flags(self)
        counts = ("num_steps", "batch_size", "replay_capacity", "n_step", "frame_stack")
        check_counts(self, (*counts, "beta_anneal_env_steps", "target_period_updates"))
        check_counts(self, ("hidden_size", "context_hidden_size"))
        check_counts(self, ("learn_start", "latent_size"), at_least=0)
        check_counts(self, ("num_atoms",), at_least=2)
        check_optional_count(self, "tasks_per_batch", "all")
        check_above_zero(self, ("updates_per_env_step", "learning_rate", "adam_eps", "max_grad_norm"))
        check_not_negative(self, ("priority_exponent", "noisy_sigma"))
        check_fractions(self, ("discount", "importance_exponent", "evaluation_eps", "acting_eps"))
        check_optional_above_zero(self, "reward_clip", "no clipping")
        check_widths(self, "mlp_sizes")
        if not (is_number(self.v_min) and is_number(self.v_max) and self.v_min < self.v_max):
            raise ValueError(
                f"v_min={self.v_min} and v_max={self.v_max}: give finite numbers, v_min below v_max"
            )
        if self.learn_start > self.replay_capacity:
            raise ValueError(
                f"learn_start={self.learn_start} is more than the replay_capacity={self.replay_capacity}: "
                "learning would start on what is partly forgotten; lower the one or raise the other"
            )
        if self.encoder not in ENCODERS and ":" not in self.encoder:
            raise ValueError(
                f"encoder={self.encoder!r}: choose one of {', '.join(ENCODERS)}, or 'module:Factory' for one "
                "of your own"
            )
        if self.priority_loss not in ("cross-entropy", "kl"):
            raise ValueError(f"priority_loss={self.priority_loss!r}: choose 'cross-entropy' or 'kl'")
        if self.update_mode not in UPDATE_MODES:
            raise ValueError(f"update_mode={self.update_mode!r}: choose one of {', '.join(UPDATE_MODES)}")

    def beta_at(self, env_step: int) -> float:
        """Exponent of the importance weights at this env step of the learner."""
        frac = min(1.0, env_step / self.beta_anneal_env_steps)
        return self.importance_exponent + (1 - self.importance_exponent) * frac


DATA_EFFICIENT = RainbowConfig(
    # van Hasselt, Hessel, Aslanides 2019 (arXiv 1906.05243), "data-efficient Rainbow", for 100,000 env steps.
    updates_per_env_step=1.0,  # replay period every 1 step
    learn_start=1_600,  # min replay size for sampling
    replay_capacity=100_000,  # "unbounded" for the 100,000 steps of a run
    n_step=20,  # multi-step return length
    frame_stack=4,  # state: 4 stacked frames
    noisy_sigma=0.1,  # noisy nets parameter
    encoder="data-efficient",  # channels 32, 64; filters 5x5; strides 5
    hidden_size=256,  # Q network: hidden units
    target_period_updates=2_000,
    learning_rate=1e-4,
    beta_anneal_env_steps=100_000,  # the whole run, as in Rainbow
)

RAINBOW = RainbowConfig(
    # Hessel et al. 2018 (arXiv 1710.02298), table 1 and section "Rainbow".
    updates_per_env_step=0.25,  # replay period of the DQN it extends: 4 agent steps
    learn_start=20_000,  # 80K frames
    replay_capacity=1_000_000,  # replay memory of the DQN it extends
    n_step=3,
    frame_stack=4,
    noisy_sigma=0.5,
    encoder="nature",
    hidden_size=512,
    target_period_updates=2_000,  # 32K frames: 8,000 agent steps, 4 an update
    learning_rate=6.25e-5,
    beta_anneal_env_steps=50_000_000,  # 200M frames
)

SMALL = RainbowConfig(
    # For toys with returns within [-1, 1] on one core within a minute. Our own choices, from pilots on Catch.
    num_steps=32,
    updates_per_env_step=0.5,
    learn_start=1_000,  # from 500 on, and with 64 units, two seeds of eight never learned to catch some balls
    replay_capacity=20_000,
    n_step=5,
    v_min=-1.0,
    v_max=1.0,
    num_atoms=21,
    encoder="minatar",
    hidden_size=128,
    target_period_updates=200,
    learning_rate=1e-3,
    beta_anneal_env_steps=20_000,
)
