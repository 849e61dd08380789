"""Observations as they are kept: an array, or one with a vector of feedback beside it.

RL2 (Duan et al. 2016) shows its policy what its last action led to. Such an env's observation space is

    Dict(obs=what the env shows, feedback=vector)

and its observations are dicts of those two parts, here and in the env alike. All else treats them as one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

Obs = Tensor | dict[str, Tensor]
PARTS = ("obs", "feedback")


def map_parts(function: Callable[..., Any], *observations: Any) -> Any:
    """What `function` makes of observations of the same kind, part by part."""
    if isinstance(observations[0], dict):
        return {name: function(*(obs[name] for obs in observations)) for name in observations[0]}
    return function(*observations)


def parts_of(space: spaces.Space[Any]) -> tuple[spaces.Space[Any], spaces.Box | None]:
    """The space of what the env shows, and that of the feedback if there is one.

    Raises:
        TypeError: A Dict with other parts, or a feedback that is no vector.
    """
    if not isinstance(space, spaces.Dict):
        return space, None
    feedback = space.spaces.get("feedback")
    if set(space.spaces) != set(PARTS) or not isinstance(feedback, spaces.Box) or len(feedback.shape) != 1:
        raise TypeError(
            f"observation space {space} is a Dict, but not of 'obs' and a vector 'feedback': flatten it "
            "(gymnasium.wrappers.FlattenObservation)"
        )
    return space.spaces["obs"], feedback


def check_finite(obs: Any) -> None:
    """Raises ValueError if a number that an env shows is NaN or infinite, or would be as a float32.

    Feedback is left out: it repeats the reward, and a run whose rewards are NaN has diverged and goes on.
    """
    parts = obs if isinstance(obs, dict) else {"obs": obs}
    for name, part in parts.items():
        if name == "feedback" or part.dtype.kind != "f":
            continue
        with np.errstate(over="ignore"):
            kept = part.astype(np.float32, copy=False)
        if not np.isfinite(kept).all():
            where = f"observation {name!r}" if isinstance(obs, dict) else "observation"
            raise ValueError(
                f"an {where} is not finite (NaN, infinity, or beyond what a float32 holds), so nothing can "
                "be learned from it: look for the cause in the envs, or replace it there"
            )


def to_tensor(obs: Any, dtype: torch.dtype, device: torch.device) -> Obs:
    """The env's observations [B, ...] on the device: `dtype` for what it shows, float32 for feedback.

    Raises:
        TypeError: It shows fractions and `dtype` is of whole numbers: pixels from 0 to 1 would all be 0.
    """
    if isinstance(obs, dict):
        return {
            "obs": _part_to_tensor(obs["obs"], dtype, device),
            "feedback": _part_to_tensor(obs["feedback"], torch.float32, device),
        }
    return _part_to_tensor(obs, dtype, device)


def _part_to_tensor(part: Any, dtype: torch.dtype, device: torch.device) -> Tensor:
    array = np.require(part, requirements=("C", "W"))  # torch warns of arrays that cannot be written to
    if array.dtype.kind == "f" and not dtype.is_floating_point:
        raise TypeError(
            f"observations came as {array.dtype}, and their space is of {str(dtype).removeprefix('torch.')}: "
            "give them in that type, pixels from 0 to 255, or make the space one of floats"
        )
    return torch.from_numpy(array).to(device=device, dtype=dtype)
