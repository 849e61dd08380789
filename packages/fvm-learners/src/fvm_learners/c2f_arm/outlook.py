"""What the numbers of a C2F-ARM agent mean nothing without: its grids, its bins, and what it is shown.

Two agents whose outlooks differ may have weights of the same shapes, and yet each takes the other's voxel for
another place, or the other's camera for its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fvm_learners.c2f_arm.config import C2FARMConfig

if TYPE_CHECKING:
    from torch import Tensor

FIELDS = (
    "cameras",
    "low_dim",
    "bounds",
    "grid_sizes",
    "half_sides",
    "rotation_bins",
    "network",
    "channels",
    "padding",
    "latent_size",
)
"""Fields of the config that an agent cannot change between one training and the next."""


def outlook_of(config: C2FARMConfig) -> dict[str, Any]:
    """Returns the values of `FIELDS`, as JSON."""
    values = {name: getattr(config, name) for name in FIELDS}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def check_outlook(theirs: Mapping[str, Any], own: Mapping[str, Any], what: str) -> None:
    """Raises ValueError, naming all that differs, unless both have the same values under the same names.

    Args:
        theirs: Of what is taken over.
        own: Of the learner that takes it.
        what: Is taken over, for the message.
    """
    differing = [name for name in {**own, **theirs} if theirs.get(name) != own.get(name)]
    if not differing:
        return
    made, needed = (
        ", ".join(f"{name}={_shown(values.get(name))}" for name in differing) for values in (theirs, own)
    )
    raise ValueError(
        f"{what} of another agent, made with {made}, where this learner has {needed}: use the config and "
        "the observations that it was made with"
    )


def _shown(value: Any) -> str:
    if isinstance(value, list):
        value = tuple(value)
    return "none" if value is None else repr(value)


def told_by(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Returns what the names and shapes of weights say of the agent they are of; nothing for another's."""
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    depths = len({name.split(".")[1] for name in shapes if name.startswith("depths.")})
    first, last = "depths.0.encoder.", f"depths.{depths - 1}.head.rotation."
    if f"{first}low_dim.weight" not in shapes:
        return {}
    patches = [shapes.get(f"depths.{depth}.place") for depth in range(depths)]
    channels, told = shapes[f"{first}low_dim.weight"]
    latent = shapes.get(f"{first}latent.weight", (0, 0))
    (values,) = shapes.get(f"{last}bias") or shapes.get(f"{last}2.bias") or (2,)
    said: dict[str, Any] = {
        "network": "patch" if patches[0] else "upstream",
        "depths": depths,
        "channels": channels,
        "rotation_bins": (values - 2) // 3,
        "numbers in low_dim": told - (latent[0] if patches[0] else 0),
        "latent_size": latent[1],
    }
    if all(patches):
        said["grid_sizes"] = [2 * round(shape[0] ** (1 / 3)) for shape in patches if shape]
    return said
