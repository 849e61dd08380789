"""A Q network's weights out of it and into another."""

from collections.abc import Mapping

import torch
from torch import Tensor

from fvm_learners.networks.q_network import QNetwork

Shapes = dict[str, tuple[int, ...]]


def network_weights(network: torch.nn.Module) -> dict[str, Tensor]:
    """Copies of all parameters, contiguous (safetensors takes no other) and on the CPU."""
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in network.state_dict().items()
    }


def load_network_weights(network: QNetwork, weights: Mapping[str, Tensor], only: str | None = None) -> None:
    """Overwrite the parameters of `network`, or of that part of it.

    Args:
        network: changed.
        weights: as `network_weights` gives them.
        only: a part, such as "encoder"; what else there is in `weights` may be of any kind.

    Raises:
        ValueError: Names or shapes are not this network's.
    """
    own, theirs = _shapes(network.state_dict(), only), _shapes(weights, only)
    if own != theirs or not own:
        raise ValueError(_difference(network, own, theirs))
    network.load_state_dict({name: weights[name] for name in own}, strict=only is None)


def _shapes(weights: Mapping[str, Tensor], only: str | None) -> Shapes:
    return {
        name: tuple(tensor.shape)
        for name, tensor in weights.items()
        if only is None or name.startswith(f"{only}.")
    }


def _difference(network: QNetwork, own: Shapes, theirs: Shapes) -> str:
    differing = sorted(name for name in own | theirs if own.get(name) != theirs.get(name))
    if differing and all(name.startswith("advantage.") and name in theirs for name in differing):
        num_actions = theirs["advantage.bias"][0] // network.num_atoms
        return (
            f"these weights are for {num_actions} actions and these envs have {network.num_actions}: make "
            "the envs with the action space they were trained with, or load only='encoder'"
        )
    return (
        f"these weights are of another network, they differ in {', '.join(differing) or 'everything'}: "
        "use the config and spaces they were trained with"
    )
