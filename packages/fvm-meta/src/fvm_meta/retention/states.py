"""States that a pretrained agent visits on its own tasks, for a teacher to be asked about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from fvm_learners.autoreset import autoreset_mode, step
from fvm_learners.observations import map_parts, to_tensor
from gymnasium.vector import AutoresetMode
from torch import Tensor

from fvm_meta.stream import Envs, Policy


@dataclass(frozen=True)
class States:
    """What a policy is asked about: N states, or T steps of N sequences.

    Attributes:
        obs: [N, ...] or [T, N, ...], in the type the learner's network takes; a dict where it has parts.
        action: [N, ...] that was taken; None of sequences.
        initial_state: [N, 2, size] recurrent state before the first step; None without memory.
        episode_start: [T, N] bool; None without memory.
        latent: [N, latent_size]; None without.
    """

    obs: Any
    initial_state: Tensor | None = None
    episode_start: Tensor | None = None
    latent: Tensor | None = None
    action: Tensor | None = None

    def __len__(self) -> int:
        """Returns N."""
        if self.initial_state is not None:
            return len(self.initial_state)
        return len(next(iter(self.obs.values())) if isinstance(self.obs, dict) else self.obs)

    def __getitem__(self, index: Tensor) -> States:
        """Returns those of an index [n]."""
        recurrent = self.initial_state is not None
        return States(
            obs=map_parts(lambda part: part[:, index] if recurrent else part[index], self.obs),
            initial_state=None if self.initial_state is None else self.initial_state[index],
            episode_start=None if self.episode_start is None else self.episode_start[:, index],
            latent=None if self.latent is None else self.latent[index],
            action=None if self.action is None else self.action[index],
        )


Play = Callable[[int], States]
"""`play(num)`: at least `num` states of the pretraining tasks, the same ones each time it is asked."""

SEQUENCE = 16  # steps of a stored sequence of a policy with memory


def visited(policy: Policy, envs: Envs, num: int, seed: int, network: Any) -> States:
    """Returns `num` states, rounded up to whole sequences, that `policy` visits on `envs`.

    Args:
        policy: Frozen; it acts.
        envs: On the tasks that it was trained on. Stepped, not closed.
        num: States wanted.
        seed: Of the envs and of the actions.
        network: The learner's, for the type and the device of what it sees.
    """
    device, dtype = next(network.parameters()).device, getattr(network, "obs_dtype", None)
    recurrent = getattr(network, "latent_size", 0) == 0 and policy.initial_state(1) is not None
    rows = -(-num // envs.num_envs)
    rows = -(-rows // SEQUENCE) * SEQUENCE if recurrent else rows
    rngs = [np.random.default_rng([seed, slot]) for slot in range(envs.num_envs)]
    obs, _ = envs.reset(seed=seed)
    state, start = policy.initial_state(envs.num_envs), np.ones(envs.num_envs, dtype=np.bool_)
    mode, waiting = autoreset_mode(envs), np.zeros(envs.num_envs, dtype=np.bool_)
    seen: list[Any] = []
    starts: list[Tensor] = []
    memory: list[Tensor] = []
    latent: list[Tensor] = []
    taken: list[Tensor] = []
    for row in range(rows):
        seen.append(map_parts(Tensor.clone, _shown(obs, dtype, device)))
        starts.append(torch.from_numpy(start.copy()).to(device))
        if recurrent and row % SEQUENCE == 0:
            memory.append(state.clone())
        action, state = policy.act(obs, state, start, rngs)
        if state is not None and not recurrent:
            latent.append(state.clone())
        taken.append(torch.from_numpy(np.array(action)).to(device))
        outcome = step(envs, action, mode)
        obs, ended = outcome.obs, outcome.ended
        start, waiting = (waiting, ended) if mode is AutoresetMode.NEXT_STEP else (ended, waiting)
    if not recurrent:
        return States(
            obs=_joined(torch.cat, seen),
            latent=torch.cat(latent) if latent else None,
            action=torch.cat(taken),
        )
    # [rows, B] to [SEQUENCE, rows / SEQUENCE * B], a sequence's steps one below the other
    stacked, begins = _joined(torch.stack, seen), torch.stack(starts)
    return States(
        obs=map_parts(_sequences, stacked),
        initial_state=torch.cat(memory),
        episode_start=_sequences(begins),
    )


def pieces(num: int, size: int) -> list[Tensor]:
    """Returns 0..num-1 in order, in pieces of at most `size`."""
    return [torch.arange(first, min(first + size, num)) for first in range(0, num, size)]


def _shown(obs: Any, dtype: torch.dtype | None, device: torch.device) -> Any:
    """Observations in the type that a network takes; each part in its own, of a network that names none."""
    if dtype is not None:
        return to_tensor(obs, dtype, device)
    return map_parts(lambda part: torch.from_numpy(np.ascontiguousarray(part)).to(device), obs)


def _joined(join: Callable[[list[Tensor]], Tensor], seen: list[Any]) -> Any:
    if isinstance(seen[0], dict):
        return {name: join([parts[name] for parts in seen]) for name in seen[0]}
    return join(seen)


def _sequences(rows: Tensor) -> Tensor:
    """Returns [rows, B, ...] as [SEQUENCE, rows / SEQUENCE * B, ...]."""
    pieces = rows.reshape(-1, SEQUENCE, *rows.shape[1:])
    return pieces.transpose(0, 1).flatten(1, 2)
