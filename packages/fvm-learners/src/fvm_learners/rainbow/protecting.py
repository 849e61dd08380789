"""What a frozen policy does on its tasks, as transitions that Rainbow's batches may have a share of."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fvm_learners.autoreset import Envs
from fvm_learners.rainbow.acting import Slots, leave, take_row
from fvm_learners.rainbow.config import RainbowConfig
from fvm_learners.rainbow.q_network import QNetwork
from fvm_learners.replay import Replay, make_replays
from fvm_learners.replay.protected import OneForAll


def played(
    policy: Any,
    envs: Envs,
    num: int,
    seed: int,
    network: QNetwork,
    config: RainbowConfig,
    device: torch.device,
) -> Replay:
    """Returns a replay of `num` env steps of all slots, rounded up to whole rows; it has overwritten none.

    Args:
        policy: Frozen; it acts.
        envs: Stepped, not closed.
        num: Env steps.
        seed: Of the envs and of the actions.
        network: The learner's, for the type of what it sees.
        config: How many steps a return has, what is stored of a step.
        device: Of what is sampled.

    Raises:
        ValueError: The network is told by a latent what it plays, which nobody knows of these steps.
    """
    if network.latent_size:
        raise ValueError(
            "a protected share of the replay has no latents: protect steps of a network with latent_size=0"
        )
    rows = -(-num // envs.num_envs)
    # A step takes a row, and one more where an episode is cut off behind it.
    (replay,) = make_replays(
        1,
        2 * rows * envs.num_envs + envs.num_envs,
        network.obs_shape,
        network.obs_dtype,
        frame_stack=config.frame_stack,
        n_step=config.n_step,
        discount=config.discount,
        priority_exponent=config.priority_exponent,
        device=device,
    )
    kept = OneForAll(replay)
    slots = Slots.begin(*envs.reset(seed=seed))
    state = policy.initial_state(envs.num_envs)
    rngs = [np.random.default_rng([seed, slot]) for slot in range(envs.num_envs)]

    def choose(slots: Slots) -> NDArray[np.int64]:
        nonlocal state
        action, state = policy.act(slots.obs, state, slots.episode_start, rngs)
        chosen: NDArray[np.int64] = action - network.first_action
        return chosen

    for row in range(1, rows + 1):
        take_row(envs, slots, choose, kept, config, row * envs.num_envs, network.to_env)
    leave(slots, kept, np.ones(envs.num_envs, dtype=np.bool_))
    return replay
