"""A network's weights and its optimiser's state out of them and back: tensors and JSON, nothing to pickle."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fvm_learners.rainbow.q_network import QNetwork

Shapes = dict[str, tuple[int, ...]]


def network_weights(network: nn.Module) -> dict[str, Tensor]:
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


def optimiser_state(optimiser: Optimizer, module: nn.Module) -> dict[str, dict[str, Any]]:
    """Adam's state by parameter name: {"step": {name: int}, "exp_avg": {name: Tensor}, "exp_avg_sq": ...}.

    Tensors are contiguous copies on the CPU; each dict is empty before the first step.
    """
    state: dict[str, dict[str, Any]] = {"step": {}, "exp_avg": {}, "exp_avg_sq": {}}
    for name, parameter in module.named_parameters():
        entry = optimiser.state.get(parameter, {})
        if not entry or int(entry["step"]) == 0:
            continue
        state["step"][name] = int(entry["step"])
        for moment in ("exp_avg", "exp_avg_sq"):
            state[moment][name] = entry[moment].cpu().clone(memory_format=torch.contiguous_format)
    return state


def zero_optimiser_state(optimiser: Optimizer) -> None:
    """Puts steps and moments to zero where they lie, so that a recorded step stays valid."""
    for entry in optimiser.state.values():
        for tensor in entry.values():
            tensor.zero_()


def load_optimiser_state(optimiser: Optimizer, module: nn.Module, state: dict[str, dict[str, Any]]) -> None:
    """Put back what `optimiser_state` gave, in each parameter's memory format."""
    optimiser.state.clear()
    counts_on_device = optimiser.defaults.get("fused") or optimiser.defaults.get("capturable")
    for name, parameter in module.named_parameters():
        if name not in state["step"]:
            continue
        device = parameter.device if counts_on_device else None
        entry: dict[str, Any] = {"step": torch.tensor(float(state["step"][name]), device=device)}
        for moment in ("exp_avg", "exp_avg_sq"):
            entry[moment] = torch.empty_like(parameter, requires_grad=False).copy_(state[moment][name])
        optimiser.state[parameter] = entry
