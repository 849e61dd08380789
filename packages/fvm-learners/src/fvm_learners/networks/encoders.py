"""Encoders of observations by name, and what they can encode."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from fvm_learners.networks.data_efficient import DataEfficient
from fvm_learners.networks.impala import Impala
from fvm_learners.networks.minatar import MinAtar
from fvm_learners.networks.nature import Nature, NatureSmall

IMAGE_ENCODERS: dict[str, Callable[..., Any]] = {
    "impala": Impala,
    "nature": Nature,
    "nature-small": NatureSmall,
    "data-efficient": DataEfficient,
    "minatar": MinAtar,
}


def check_observation_space(
    space: spaces.Space[Any], encoder: str, kind: str
) -> tuple[tuple[int, ...], torch.dtype]:
    """Shape of one observation and the type it is stored in until the encoder takes it.

    Args:
        space: of one slot, without feedback.
        encoder: "mlp" or a name of `IMAGE_ENCODERS`.
        kind: what the config calls it, "network" or "encoder".

    Raises:
        TypeError: The encoder takes observations of another kind.
        ValueError: Images are too small for it.
    """
    if not isinstance(space, spaces.Box):
        raise TypeError(
            f"observation space {space} is not a Box: flatten it (gymnasium.wrappers.FlattenObservation)"
        )
    if not space.shape:
        raise ValueError(
            "observations are single numbers of shape (): give them an axis, "
            "gymnasium.wrappers.ReshapeObservation(env, (1,))"
        )
    if encoder == "mlp":
        return space.shape, torch.float32
    if space.dtype != np.uint8 or len(space.shape) != 3:
        raise TypeError(
            f"{kind} {encoder!r} takes uint8 images [H, W, C], got {space.dtype} {space.shape}: "
            f"use {kind}='mlp' for vectors, or a wrapper that gives such images"
        )
    smallest: int = IMAGE_ENCODERS[encoder].min_size  # type: ignore[attr-defined]
    if min(space.shape[:2]) < smallest:
        raise ValueError(
            f"{kind} {encoder!r} needs images [H, W, C] of at least {smallest} x {smallest}, "
            f"got {space.shape}: enlarge them, move the channels last, or use {kind}='minatar'"
        )
    return space.shape, torch.uint8
