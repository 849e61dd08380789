"""What a frozen agent does on its tasks, as transitions that C2F-ARM's batches may have a share of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fvm_learners.autoreset import Envs
from fvm_learners.c2f_arm.config import C2FARMConfig
from fvm_learners.c2f_arm.frozen_policy import FrozenArmPolicy
from fvm_learners.c2f_arm.replay import ArmReplay
from fvm_learners.c2f_arm.slots import ArmSlots, take_row
from fvm_learners.c2f_arm.views import Eye
from fvm_learners.replay.protected import OneForAll


def played(
    policy: FrozenArmPolicy, envs: Envs, num: int, seed: int, config: C2FARMConfig, eye: Eye
) -> ArmReplay:
    """Returns a replay of `num` env steps of all slots, rounded up to whole rows; it has overwritten none.

    Its own successes count as demonstrated there where the learner's would (`imitate_successes`).

    Args:
        policy: Frozen; it acts, the best it knows.
        envs: Stepped, not closed.
        num: Env steps.
        seed: Of the envs and of the actions.
        config: What is stored of a step.
        eye: How the learner reads observations.

    Raises:
        ValueError: The networks are told by a latent what they play, which nobody knows of these steps.
    """
    if config.latent_size:
        raise ValueError(
            "a protected share of the replay has no latents: protect steps of networks with latent_size=0"
        )
    rows = -(-num // envs.num_envs)
    # A step takes a frame for what it led to, and one more where it begins an episode.
    replay = ArmReplay(
        2 * rows * envs.num_envs,
        eye,
        config.priority_exponent,
        stratified="unstratified" not in config.quirks,
    )
    kept = OneForAll(replay)
    obs, info = envs.reset(seed=seed)
    slots = ArmSlots.begin(eye.read(obs), info)
    state = policy.initial_state(envs.num_envs)
    rngs = [np.random.default_rng([seed, slot]) for slot in range(envs.num_envs)]

    def choose(slots: ArmSlots) -> NDArray[np.float32]:
        nonlocal state
        pose, state = policy.act_on(slots.views, state, slots.episode_start, rngs)
        return pose

    for row in range(1, rows + 1):
        take_row(envs, slots, choose, kept, eye, config, row * envs.num_envs)
    return replay
