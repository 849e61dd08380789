"""One replay for each task, all within the memory there is."""

import torch

from fvm_learners.config_checks import check_num_tasks
from fvm_learners.replay.replay import Replay
from fvm_learners.replay.replay_size import frames_device, replay_nbytes


def make_replays(
    num_tasks: int,
    capacity: int,
    obs_shape: tuple[int, ...],
    obs_dtype: torch.dtype,
    *,
    frame_stack: int,
    n_step: int,
    discount: float,
    priority_exponent: float,
    device: torch.device,
) -> list[Replay]:
    """An empty replay for each task, of equal capacities that add up to `capacity` rows.

    Raises:
        ValueError: They do not fit into memory, the observations are no stacks of so many frames, or there
            is no such number of tasks.
    """
    check_num_tasks(num_tasks)
    if not obs_shape or obs_shape[-1] % frame_stack:
        raise ValueError(
            f"frame_stack={frame_stack} does not divide the last axis of observations {obs_shape}: give the "
            "number of frames that the envs stack there"
        )
    each = max(1, capacity // num_tasks)
    nbytes = num_tasks * replay_nbytes(each, obs_shape, obs_dtype, frame_stack)
    kept_on = frames_device(nbytes, device)
    return [
        Replay(
            each,
            obs_shape,
            obs_dtype,
            frame_stack=frame_stack,
            n_step=n_step,
            discount=discount,
            priority_exponent=priority_exponent,
            device=device,
            frames_device=kept_on,
        )
        for _ in range(num_tasks)
    ]
