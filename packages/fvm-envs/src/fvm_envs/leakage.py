"""Held-out tasks that are the same as a training task under another id.

Procgen draws levels at random, and small ones come out twice: openai/procgen#100 finds the first frame of 24
% of 100k easy Coinrun levels among 100k others. Two levels are the same here if their entities and grids are,
in their serialised state (not in the picture, which shows a part of the level), and if a fixed random
sequence of actions earns the same rewards, ends at the same step and leads to the same entities: games such
as bigfish all start alike. Wallpaper does not make a level another one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np

from fvm_envs.procgen.games import level_seed, parse_name
from fvm_envs.procgen.levels import LevelGenerator, native_options
from fvm_envs.task import Task, TaskSet

PROBE_STEPS = (8, 64)
"""Steps of the action sequence: most levels that start alike are told apart by the short one."""
_NUM_ACTIONS = 15


def leaked(train: TaskSet, held_out: TaskSet, *, restrict_themes: bool = False) -> dict[Task, Task]:
    """Which held-out tasks are in the training set, and as which of its tasks (the first one).

    Memory is that of the held-out levels' hashes; training levels are made one at a time. A task that is in
    both sets is leaked, whatever its benchmark; tasks of `toy` differ whenever their ids do, and so do those
    of `rlbench`, except that no variation means variation 0.

    Args:
        train: Training tasks.
        held_out: Held-out tasks.
        restrict_themes: As the environments are made: without themes more levels are the same.
    """
    found = {task: task for task in held_out if task in train}
    # `rlbench/<task>` is its variation 0.
    variations = {(task.name, task.level or 0): task for task in train if task.benchmark == "rlbench"}
    for task in held_out:
        if task.benchmark == "rlbench" and (task.name, task.level or 0) in variations:
            found.setdefault(task, variations[task.name, task.level or 0])
    for name in sorted({task.name for task in held_out if task.benchmark == "procgen"}):
        held = [task for task in held_out if task.name == name and task.benchmark == "procgen"]
        seen = [task for task in train if task.name == name and task.benchmark == "procgen"]
        found |= _leaked_levels(name, held, seen, restrict_themes)
    return {task: found[task] for task in held_out if task in found}


def _leaked_levels(
    name: str, held_out: list[Task], train: list[Task], restrict_themes: bool
) -> dict[Task, Task]:
    _, mode = parse_name(name)
    options = native_options(mode, use_backgrounds=False, restrict_themes=restrict_themes)
    generator = LevelGenerator(name, options)
    try:
        for num_steps in (0, *PROBE_STEPS):
            of_held = dict(_hashes(generator, held_out, num_steps))
            wanted = set(of_held.values())
            first: dict[bytes, Task] = {}
            survivors = []
            for task, digest in _hashes(generator, train, num_steps):
                if digest in wanted:
                    first.setdefault(digest, task)
                    survivors.append(task)
            train = survivors
            held_out = [task for task in held_out if of_held[task] in first]
    finally:
        generator.close()
    return {task: first[of_held[task]] for task in held_out}


def _hashes(generator: LevelGenerator, tasks: Iterable[Task], num_steps: int) -> Iterator[tuple[Task, bytes]]:
    for task in tasks:
        yield task, level_hash(generator, level_seed(task.name, task.level), num_steps)


def level_hash(generator: LevelGenerator, level: int, num_steps: int) -> bytes:
    """A hash of a level's scene and, with steps, of what fixed random actions do in its first episode."""
    state = generator.initial_state(level)
    digest = hashlib.blake2b(generator.layout.scene(state), digest_size=16)
    if not num_steps:
        return digest.digest()
    native = generator.native
    native.set_state(0, state)
    for action in np.random.default_rng(0).integers(_NUM_ACTIONS, size=num_steps).tolist():
        native.action[0] = action
        native.step()
        digest.update(native.reward.tobytes() + native.first.tobytes())
        if native.first[0]:
            break
    else:
        digest.update(generator.layout.scene(native.get_state(0)))
    return digest.digest()
