"""Slots that act by C2F-ARM's networks and fill the replay of the task each plays.

Observations are read into arrays of our own before the envs step, since envs may reuse theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fvm_learners.autoreset import Envs, Step, autoreset_mode, step
from fvm_learners.c2f_arm.acting import choose
from fvm_learners.c2f_arm.config import C2FARMConfig
from fvm_learners.c2f_arm.networks import ArmNetworks
from fvm_learners.c2f_arm.replay import ArmReplay
from fvm_learners.c2f_arm.scene import scene_of
from fvm_learners.c2f_arm.views import FIELDS, Eye, Views
from fvm_learners.episodes import Episode
from fvm_learners.running import DTYPES, Running, begun, check_tasks

NO_ROW = -1


@dataclass(kw_only=True)
class ArmSlots(Running):
    """Where B slots stand, between two steps.

    Attributes:
        views: [B] not yet acted on.
        latent: [B, latent_size] acted with; None without.
        frames: The rows in their replay of each running episode's frames that were acted on.
        row: [B] of `views` in its replay, -1 where it is not written.
    """

    views: Views
    latent: Tensor | None
    frames: list[list[int]]
    row: NDArray[np.int64]

    @classmethod
    def begin(cls, views: Views, info: dict[str, Any], num_tasks: int | None = None) -> ArmSlots:
        """After a reset of the envs; raises ValueError if one plays a task beyond the first `num_tasks`."""
        count = len(views)
        return cls(
            views=views,
            latent=None,
            frames=[[] for _ in range(count)],
            row=np.full(count, NO_ROW),
            **begun(info, count, num_tasks),
        )

    def replace(self, mask: NDArray[np.bool_], by: ArmSlots) -> None:
        """Take the slots of the mask [B] from others; they keep their latent until it is drawn anew."""
        for name in FIELDS:
            getattr(self.views, name)[mask] = getattr(by.views, name)[mask]
        for name in _DTYPES:
            setattr(self, name, np.where(mask, getattr(by, name), getattr(self, name)))
        for slot in np.flatnonzero(mask):
            self.frames[slot] = []

    def state_dict(self) -> dict[str, Any]:
        """Copies, as tensors and JSON values."""
        return {
            "views": {name: torch.from_numpy(getattr(self.views, name).copy()) for name in FIELDS},
            "latent": None if self.latent is None else self.latent.cpu().clone(),
            "frames": [list(frames) for frames in self.frames],
            **{name: getattr(self, name).tolist() for name in _DTYPES},
        }

    @classmethod
    def from_state_dict(cls, state: dict[str, Any], device: torch.device) -> ArmSlots:
        """What `state_dict` gave."""
        latent = state["latent"]
        return cls(
            views=Views(*(state["views"][name].numpy().copy() for name in FIELDS)),
            latent=None if latent is None else latent.to(device, copy=True),
            frames=[list(frames) for frames in state["frames"]],
            **{name: np.array(state[name], dtype=dtype) for name, dtype in _DTYPES.items()},
        )


_DTYPES: dict[str, Any] = {
    **DTYPES,
    "row": np.int64,
}


@torch.no_grad()
def act(
    slots: ArmSlots,
    policy: ArmNetworks,
    replays: Sequence[ArmReplay],
    sampler: Any,
    config: C2FARMConfig,
    eye: Eye,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Poses [B, 8]; slots that begin an episode get a latent, where there is one."""
    starting, device = slots.episode_start, next(policy.parameters()).device
    if config.latent_size and starting.any():
        drawn = sampler.latent(policy, replays, slots.task_index[starting], rng)
        if drawn is not None:
            if slots.latent is None:
                slots.latent = torch.zeros(len(starting), config.latent_size, device=device)
            slots.latent[torch.from_numpy(starting).to(device)] = drawn
    scene = scene_of(slots.views, eye, config, device, latent=slots.latent)
    rngs = None
    if config.exploration != "none":
        seeds = rng.integers(2**63, size=len(starting))
        rngs = [np.random.default_rng(int(seed)) for seed in seeds]
    return choose(policy.networks, scene, config, eye, rngs)


Act = Callable[[ArmSlots], NDArray[np.float32]]


def take_row(
    envs: Envs,
    slots: ArmSlots,
    choose_action: Act,
    replays: Sequence[ArmReplay],
    eye: Eye,
    config: C2FARMConfig,
    env_step: int,
) -> list[Episode]:
    """One step of all slots, which `slots` and `replays` afterwards contain; the episodes that ended.

    Raises:
        ValueError: A slot was moved to another task without the learner's knowing, or plays one that has no
            replay.
    """
    mode = autoreset_mode(envs)
    action = choose_action(slots)
    for slot in np.flatnonzero((slots.row == NO_ROW) & ~slots.reset_row):
        (slots.row[slot],) = replays[slots.task_index[slot]].write(slots.views[[slot]])
    outcome = step(envs, action, mode)
    ended = outcome.ended
    check_tasks(outcome.task_index, len(replays))
    slots.check_moves(outcome)
    following = eye.read(outcome.obs)
    if "late_time" in config.quirks and eye.time is not None:
        steps = np.where(ended | slots.reset_row, 0, slots.length + 1)
        following.low_dim[:, eye.time] = _a_step_before(following.low_dim[:, eye.time], steps)
    shown = dict(zip(outcome.final_slots.tolist(), range(len(outcome.final_slots)), strict=True))
    final = eye.read(outcome.final_obs) if shown else following
    for slot in np.flatnonzero(~slots.reset_row):
        last = final[[shown[slot]]] if slot in shown else following[[slot]]
        _store(slots, int(slot), replays, action[slot], outcome, last, slot in shown, eye, config)

    fresh = ended | slots.reset_row
    slots.row = np.where(fresh, NO_ROW, slots.row)
    for slot in np.flatnonzero(fresh):
        slots.frames[slot] = []
    slots.views = following
    return slots.advance(outcome, mode, env_step)


def _a_step_before(time: NDArray[np.floating], steps: NDArray[np.int64]) -> NDArray[np.floating]:
    """The time [B] of the step before, of a time that falls evenly from 1, at an episode's start."""
    return 1.0 - (1.0 - time) * np.maximum(steps - 1, 0) / np.maximum(steps, 1)


def _store(
    slots: ArmSlots,
    slot: int,
    replays: Sequence[ArmReplay],
    action: NDArray[np.float32],
    outcome: Step,
    following: Views,
    shown: bool,
    eye: Eye,
    config: C2FARMConfig,
) -> None:
    """Append a slot's step to its replay, and what it led to if that has a value."""
    replay, frame = replays[slots.task_index[slot]], int(slots.row[slot])
    truncated = bool(outcome.truncated[slot]) and not outcome.terminated[slot]
    done = bool(outcome.terminated[slot]) or (
        truncated and (not shown or "timeouts_terminate" in config.quirks)
    )
    next_frame = frame if done else replay.write(following)[0]
    at = eye.time

    def time_of(views: Views, row: int) -> float:
        return 0.0 if at is None else float(views.low_dim[row, at])

    reward = float(outcome.reward[slot])
    replay.append(
        frame,
        next_frame,
        action,
        reward,
        done=done,
        time=time_of(slots.views, slot),
        next_time=time_of(following, 0),
    )
    slots.frames[slot].append(frame)
    slots.row[slot] = next_frame
    if reward > 0 and config.imitate_successes and outcome.terminated[slot]:
        replay.imitate(slots.frames[slot])
