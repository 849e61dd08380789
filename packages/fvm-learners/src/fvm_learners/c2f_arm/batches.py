"""Batches of transitions, augmented: shares from the replays of some tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fvm_learners.c2f_arm.augmentation import draw_jitter, draw_motions, rotation_bins
from fvm_learners.c2f_arm.c2f_arm import ArmBatch
from fvm_learners.c2f_arm.config import C2FARMConfig
from fvm_learners.c2f_arm.grid import path_of
from fvm_learners.c2f_arm.kept_values import KeptValues, Key
from fvm_learners.c2f_arm.replay import ArmReplay
from fvm_learners.c2f_arm.scene import scene_of
from fvm_learners.c2f_arm.transitions import COLUMNS, Transitions
from fvm_learners.c2f_arm.views import FIELDS, Eye, Views
from fvm_learners.replay.protected import PROTECTED, Protected
from fvm_learners.replay.samplers import draw_tasks


class EqualShares:
    """Equal shares from `config.tasks_per_batch` replays, drawn from those that are ready; no latent."""

    def batch(self, learner: Any, rng: np.random.Generator) -> ArmBatch:
        """One batch, shares equal to within one transition."""
        return learner.make_batch(draw_tasks(learner, rng), rng)  # type: ignore[no-any-return]

    def latent(
        self,
        policy: Any,
        replays: Sequence[ArmReplay],
        task_index: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> Tensor | None:
        """None."""
        return None


def make_batch(
    replays: Sequence[ArmReplay],
    tasks: Sequence[int],
    config: C2FARMConfig,
    eye: Eye,
    known: KeptValues | None,
    rng: np.random.Generator,
    device: torch.device,
    latent: Tensor | None = None,
    protected: Protected[ArmReplay] | None = None,
) -> ArmBatch:
    """A batch with equal shares (to within one transition) from the replays of `tasks`.

    What is protected has its own share first (`replay/protected.py`).

    Args:
        replays: Of all tasks.
        tasks: That have transitions.
        config: Hyperparameters.
        eye: How observations were read.
        known: Values of next frames; None to keep none.
        rng: Draws transitions and augmentation.
        device: Of the tensors.
        latent: [len(tasks), latent_size], one for all transitions of a task.
        protected: Transitions of which each batch has a share; no latent is known of them.
    """
    rest = config.batch_size - (0 if protected is None else protected.count)
    shares = [len(part) for part in np.array_split(np.arange(rest), len(tasks))]
    sources = {task: replays[task] for task in tasks}
    if protected is not None:
        shares.append(protected.count)
        sources[PROTECTED] = protected.replay
    rows, likelihood, parts, views = [], [], [], []
    for replay, share in zip(sources.values(), shares, strict=True):
        drawn, probability = replay.draw(share, rng)
        rows.append(drawn)
        likelihood.append(probability * replay.num_transitions)
        parts.append(replay.transitions(drawn))
        views.append(replay.views(parts[-1].frame))
    moves = Transitions(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS})
    task_index = np.repeat(np.array(list(sources), dtype=np.int64), shares)
    repeats = torch.tensor(shares, device=device)
    told = None if latent is None else latent.repeat_interleave(repeats, dim=0)

    position = moves.action[:, :3].astype(np.float64)
    motion = draw_motions(position, config, rng)
    quirks = config.quirks
    jitter = _jitter(moves, np.concatenate(rows), config, rng)
    path = path_of(
        config.grids,
        motion.points(position),
        jitter,
        guarded="unguarded_jitter" not in quirks,
        corner=moves.from_demo if "corner_centres" in quirks else None,
    )
    bins = rotation_bins(moves.action[:, 3:7], motion.turn, config)
    gripper = (moves.action[:, 7:] > 0.5).astype(np.int64)
    weight = np.concatenate(likelihood) ** -config.importance_exponent

    kept = np.zeros((len(position), len(config.grid_sizes)), dtype=np.float32)
    unknown: list[int] = []
    keys: list[Key] = []
    for i in np.flatnonzero(~moves.done).tolist():
        serial = sources[task_index[i]].serial_of(int(moves.next_frame[i]))
        key = (int(task_index[i]), serial, float(moves.next_time[i]))
        value = None if known is None else known.get(key)
        if value is not None:
            kept[i] = value
        else:
            unknown.append(i)
            keys.append(key)
    next_scene = None
    if unknown:
        still = None if config.cached_targets else motion
        next_scene = scene_of(
            _joined([sources[task_index[i]].views(moves.next_frame[[i]]) for i in unknown]),
            eye,
            config,
            device,
            time=moves.next_time[unknown],
            motion=None if still is None else type(still)(still.turn[unknown], still.shift[unknown]),
            latent=None if told is None else told.detach()[torch.tensor(unknown, device=device)],
        )

    def tensor(array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device)

    return ArmBatch(
        scene=scene_of(_joined(views), eye, config, device, time=moves.time, motion=motion, latent=told),
        centres=tensor(path.centres.astype(np.float32)),
        voxels=tensor(path.voxels),
        bins=tensor(np.concatenate([bins, gripper], axis=1)),
        reward=tensor(moves.reward),
        discount=tensor((config.discount * ~moves.done).astype(np.float32)),
        demonstrated=tensor(moves.demonstrated),
        weight=tensor((weight / weight.max()).astype(np.float32)),
        task_index=task_index,
        rows=np.concatenate(rows),
        latent=told,
        next_values=tensor(kept),
        next_rows=torch.tensor(unknown, dtype=torch.long, device=device),
        next_scene=next_scene,
        next_keys=tuple(keys),
    )


def _jitter(
    moves: Transitions, rows: NDArray[np.int64], config: C2FARMConfig, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Shifts [depths - 1, B, 3] in m; as ARM's code, one for ever and only of demonstrations, if asked to."""
    half_sides = np.array(config.half_sides).reshape(-1, 1, 1)
    if "unguarded_jitter" not in config.quirks:
        return np.asarray(draw_jitter(len(rows), config, rng) * half_sides)
    fixed = [draw_jitter(1, config, np.random.default_rng([int(row), 7])) for row in rows]
    shifts = np.concatenate(fixed, axis=1) * half_sides
    return np.asarray(shifts * moves.from_demo[None, :, None])


def _joined(views: Sequence[Views]) -> Views:
    if len(views) == 1:
        return views[0]
    return Views(*(np.concatenate([getattr(part, name) for part in views]) for name in FIELDS))
