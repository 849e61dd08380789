"""A network's weights and its optimiser's state out of them and back: tensors and JSON, nothing to pickle."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

Shapes = dict[str, tuple[int, ...]]


def network_weights(network: nn.Module) -> dict[str, Tensor]:
    """Copies of all parameters, contiguous (safetensors takes no other) and on the CPU."""
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in network.state_dict().items()
    }


def load_network_weights(
    network: nn.Module, weights: Mapping[str, Tensor], only: tuple[str, ...] | None = None
) -> None:
    """Overwrites the parameters of `network`, or those whose names begin with one of `only`.

    Args:
        network: Changed.
        weights: As `network_weights` gives them.
        only: What else there is in `weights` may be of any kind; None for all.

    Raises:
        ValueError: Names or shapes are not this network's.
    """
    own, theirs = _shapes(network.state_dict(), only), _shapes(weights, only)
    if own != theirs or not own:
        raise ValueError(_difference(network, own, theirs))
    network.load_state_dict({name: weights[name] for name in own}, strict=only is None)


def _shapes(weights: Mapping[str, Tensor], only: tuple[str, ...] | None) -> Shapes:
    return {
        name: tuple(tensor.shape) for name, tensor in weights.items() if only is None or name.startswith(only)
    }


def _difference(network: nn.Module, own: Shapes, theirs: Shapes) -> str:
    differing = sorted(name for name in own | theirs if own.get(name) != theirs.get(name))
    last = getattr(network, "last_layer", None)  # whose outputs count the actions
    if last and differing and all(name.startswith(f"{last}.") and name in theirs for name in differing):
        each = own[f"{last}.bias"][0] // network.num_actions  # type: ignore[operator]
        return (
            f"these weights are for {theirs[f'{last}.bias'][0] // each} actions and these envs have "
            f"{network.num_actions}: make the envs with the action space they were trained with, or load "
            "only='encoder'"
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
        entry = optimiser.state.get(parameter)
        if not entry or not entry["step"]:  # never stepped, or reset since
            continue
        state["step"][name] = int(entry["step"])
        for moment in ("exp_avg", "exp_avg_sq"):
            state[moment][name] = entry[moment].cpu().clone(memory_format=torch.contiguous_format)
    return state


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


def reset_optimiser_state(optimiser: Optimizer, parameters: Iterable[nn.Parameter] | None = None) -> None:
    """Forgets the moments of these parameters or of all, as a fresh Adam would have none.

    They become zero in place, so that what was recorded of the optimiser (a CUDA graph) still holds.
    """
    for parameter in list(optimiser.state) if parameters is None else parameters:
        for tensor in optimiser.state.get(parameter, {}).values():
            tensor.zero_()
