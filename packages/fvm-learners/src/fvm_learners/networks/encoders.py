"""Encoders of observations by name, and what they can encode."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import nn

from fvm_learners.networks.data_efficient import DataEfficient
from fvm_learners.networks.impala import Impala
from fvm_learners.networks.minatar import MinAtar
from fvm_learners.networks.nature import Nature, NatureHalved, NatureSmall

IMAGE_ENCODERS: dict[str, Callable[..., Any]] = {
    "impala": Impala,
    "nature": Nature,
    "nature-small": NatureSmall,
    "nature-halved": NatureHalved,
    "data-efficient": DataEfficient,
    "minatar": MinAtar,
}


DTYPES = {np.dtype(np.uint8): torch.uint8, np.dtype(np.bool_): torch.bool}
"""Observations that stay as they are until the encoder takes them; all others are kept as float32."""


def is_factory(encoder: str) -> bool:
    """Whether the name is of a factory of the user's, "module:Factory"."""
    return ":" in encoder


def factory_of(encoder: str) -> Any:
    """Returns the factory that a name "module:Factory" is of.

    Raises:
        ValueError: There is none.
    """
    module, _, name = encoder.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"encoder {encoder!r} cannot be imported: {error}") from error


def make_own_encoder(
    encoder: str, obs_shape: tuple[int, ...], obs_dtype: torch.dtype, seed: int
) -> nn.Module:
    """Returns the module that a factory of the user's makes, drawn from `seed`.

    The factory is called with the shape of one observation, and what it makes maps [B, *obs_shape], of the
    type that the env gives (float32 unless uint8 or bool), to features [B, F]. Its weights stay as it made
    them.

    Raises:
        ValueError: There is no such factory, or it makes no such module.
    """
    factory = factory_of(encoder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = factory(obs_shape)
        if not isinstance(made, nn.Module):
            raise ValueError(f"encoder {encoder!r} made {made!r}: expected a torch.nn.Module")
        modes = {module: module.training for module in made.modules()}
        with torch.no_grad():  # as it plays: BatchNorm is to count no observations that nobody made
            features = made.eval()(torch.zeros(2, *obs_shape, dtype=obs_dtype))
        for module, mode in modes.items():
            module.training = mode
    if not isinstance(features, torch.Tensor):
        raise ValueError(
            f"encoder {encoder!r} gives a {type(features).__name__}: expected a tensor of features [B, F]"
        )
    if features.ndim != 2 or len(features) != 2 or not features.is_floating_point():
        raise ValueError(
            f"encoder {encoder!r} gives {features.dtype} {tuple(features.shape)} for two observations: "
            "expected float features [2, F]"
        )
    num_features: Any = features.shape[1]
    made.num_features = num_features
    return made


def check_observation_space(
    space: spaces.Space[Any], encoder: str, kind: str
) -> tuple[tuple[int, ...], torch.dtype]:
    """Shape of one observation and the type it is stored in until the encoder takes it.

    Args:
        space: Of one slot, without feedback.
        encoder: "mlp" or a name of `IMAGE_ENCODERS`.
        kind: What the config calls it, "network" or "encoder".

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
    if 0 in space.shape:
        raise ValueError(
            f"observations of shape {space.shape} hold no numbers: give them at least one, a constant if "
            "there is nothing to see"
        )
    if encoder == "mlp":
        return space.shape, torch.float32
    if is_factory(encoder):
        return space.shape, DTYPES.get(np.dtype(space.dtype), torch.float32)
    if space.dtype not in (np.uint8, np.bool_) or len(space.shape) != 3:
        raise TypeError(
            f"{kind} {encoder!r} takes uint8 or bool images [H, W, C], got {space.dtype} {space.shape}: "
            f"use {kind}='mlp' for vectors, a wrapper that gives such images, or an encoder of your own, "
            f"{kind}='module:Factory'"
        )
    smallest: int = IMAGE_ENCODERS[encoder].min_size  # type: ignore[attr-defined]
    if min(space.shape[:2]) < smallest:
        raise ValueError(
            f"{kind} {encoder!r} needs images [H, W, C] of at least {smallest} x {smallest}, "
            f"got {space.shape}: enlarge them, move the channels last, or use {kind}='minatar'"
        )
    if space.shape[0] < min(space.shape[1:]):
        raise ValueError(
            f"{kind} {encoder!r} takes images [H, W, C], and {space.shape} looks like [C, H, W]: move the "
            "channels last (gymnasium.wrappers.TransformObservation)"
        )
    return space.shape, DTYPES[np.dtype(space.dtype)]
