"""Adam's state by parameter name, as tensors and JSON only: nothing to pickle."""

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer


def optimiser_state(optimiser: Optimizer, module: nn.Module) -> dict[str, dict[str, Any]]:
    """{"step": {name: int}, "exp_avg": {name: Tensor}, "exp_avg_sq": {name: Tensor}}.

    Tensors are contiguous copies on the CPU; each dict is empty before the first step.
    """
    state: dict[str, dict[str, Any]] = {"step": {}, "exp_avg": {}, "exp_avg_sq": {}}
    for name, parameter in module.named_parameters():
        if parameter not in optimiser.state:
            continue
        entry = optimiser.state[parameter]
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
