"""PPO's hyperparameters, and presets with the source of each number."""

from dataclasses import dataclass, field

from fvm_learners.config_checks import (
    check_above_zero,
    check_counts,
    check_flags,
    check_fractions,
    check_not_negative,
    check_optional_above_zero,
    check_optional_count,
    check_widths,
)

NETWORKS = ("mlp", "impala", "nature", "nature-small", "nature-halved", "minatar")
"""The encoders that PPO's presets are made for."""


@dataclass(frozen=True, kw_only=True)
class PPOConfig:
    """Hyperparameters of `PPO`.

    Attributes:
        num_steps: Rows of a rollout. More: less biased advantages, rarer updates.
        num_epochs: Passes over a rollout. More: better use of samples, until the policy outruns them.
        num_minibatches: Optimiser steps an epoch.
        learning_rate: Of Adam.
        anneal_env_steps: The learning rate falls linearly to 0 at this env step; None keeps it.
        discount: Gamma.
        gae_lambda: 0 is one-step TD, 1 Monte Carlo.
        clip_ratio: How far from 1 the probability ratio still pays.
        clip_value: How far a value may move in one iteration, in units of the scaled return; None for any.
        value_coef: Weight of the value loss.
        entropy_coef: Weight of the entropy bonus. More: explores longer.
        max_grad_norm: Gradients longer than this are shortened to it.
        adam_eps: Epsilon of Adam.
        normalise_advantage: To mean 0 and standard deviation 1 in each minibatch.
        normalise_reward: Divide rewards by the standard deviation of the discounted return; its discount is
            `discount`, so that it measures what the value has to learn.
        keep_reward_scale: `restart()` keeps that standard deviation.
        network: "mlp" for vectors; "impala", "nature", "nature-small", "nature-halved" or "minatar" for uint8
            or bool images [H, W, C]; "module:Factory" for an encoder of your own (`networks/encoders.py`).
        mlp_sizes: Widths of the "mlp" network.
        recurrent: An LSTM between encoder and heads; minibatches then are whole slots.
        lstm_size: Its width.
        autocast: Bfloat16 in the encoder on CUDA.
        cpu_bfloat16: Bfloat16 in the encoder on a CPU, which must have instructions for it.
        chunk_size: Samples whose gradients are computed at once, of any device; less takes less memory. None:
            what fits the cache of a CPU as its encoder says, whole minibatches on CUDA.
    """

    num_steps: int = 256
    num_epochs: int = 3
    num_minibatches: int = 8
    learning_rate: float = 5e-4
    anneal_env_steps: int | None = None
    discount: float = 0.999
    gae_lambda: float = 0.95
    clip_ratio: float = 0.2
    clip_value: float | None = 0.2
    value_coef: float = 0.5
    entropy_coef: float = 0.01
    max_grad_norm: float = 0.5
    adam_eps: float = 1e-5
    normalise_advantage: bool = True
    normalise_reward: bool = True
    keep_reward_scale: bool = True
    network: str = "mlp"
    mlp_sizes: tuple[int, ...] = (64, 64)
    recurrent: bool = False
    lstm_size: int = 256
    autocast: bool = False
    cpu_bfloat16: bool = field(default=False, metadata={"since": 2})
    chunk_size: int | None = field(default=None, metadata={"since": 2})

    def __post_init__(self) -> None:
        """Check each value.

        Raises:
            ValueError: One is out of its range.
        """
        check_flags(self)
        check_counts(self, ("num_steps", "num_epochs", "num_minibatches", "lstm_size"))
        check_above_zero(self, ("learning_rate", "clip_ratio", "max_grad_norm", "adam_eps"))
        check_not_negative(self, ("value_coef", "entropy_coef"))
        check_fractions(self, ("discount", "gae_lambda"))
        check_optional_above_zero(self, "clip_value", "no clipping")
        check_optional_count(self, "anneal_env_steps", "a constant rate")
        check_optional_count(self, "chunk_size", "what suits the device")
        check_widths(self, "mlp_sizes")
        if self.network not in NETWORKS and ":" not in self.network:
            raise ValueError(
                f"network={self.network!r}: choose one of {', '.join(NETWORKS)}, or 'module:Factory' for one "
                "of your own"
            )

    def learning_rate_at(self, env_step: int) -> float:
        """Learning rate of the iteration that starts at `env_step`."""
        if self.anneal_env_steps is None:
            return self.learning_rate
        return self.learning_rate * max(0.0, 1 - env_step / self.anneal_env_steps)


TRAIN_PROCGEN = PPOConfig(
    # openai/train-procgen, train_procgen/train.py; the number of envs is the caller's (64 a process there).
    num_steps=256,  # nsteps
    num_epochs=3,  # ppo_epochs
    num_minibatches=8,  # nminibatches
    learning_rate=5e-4,  # learning_rate, constant
    discount=0.999,  # gamma
    gae_lambda=0.95,  # lam
    clip_ratio=0.2,  # clip_range
    clip_value=0.2,  # baselines ppo2 clips values by cliprange as well
    value_coef=0.5,  # vf_coef
    entropy_coef=0.01,  # ent_coef
    max_grad_norm=0.5,  # max_grad_norm
    adam_eps=1e-5,  # baselines ppo2/model.py
    normalise_reward=True,  # VecNormalize(venv, ob=False), whose gamma is .99 there; here `discount`, .999
    network="impala",  # build_impala_cnn(depths=[16, 32, 32], emb_size=256)
)

SMALL_CPU = PPOConfig(
    # Learns Coinrun with 5 actions on one core within minutes (our own measurement); not the paper's.
    num_steps=64,  # with 64 envs: an update every 4,096 steps
    num_epochs=2,  # two passes cost two thirds of the paper's three
    num_minibatches=16,  # 256 samples each: small ones are up to twice as fast on a CPU
    learning_rate=5e-4,  # train-procgen's
    discount=0.99,  # one run at .999, with 15 actions, collapsed into idling; which did it is not known
    network="nature-small",  # 15 to 20 times IMPALA's frames/s on one core
)
