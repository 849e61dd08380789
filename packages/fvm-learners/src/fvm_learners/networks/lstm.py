"""LSTM whose state is put back to zero inside a sequence, where an episode starts.

The input's part of the gates is one product for the whole sequence; only the hidden part goes step by step.
That costs the same wherever episodes start, while `nn.LSTM` would have to be cut at each start of any slot.

The steps' backward pass is written out: autograd would add up T tensors of all T steps, all but one row zero,
and keep a graph of a dozen nodes a step. It does the same operations in the same order, to the same bits.
"""

from typing import Any

import torch
from torch import Tensor, nn

# These two say `1 - y` and `1 - y^2` as autograd does, to the last bit.
d_sigmoid, d_tanh = torch.ops.aten.sigmoid_backward, torch.ops.aten.tanh_backward


class LSTM(nn.Module):
    """State [B, 2, size]: hidden and cell."""

    def __init__(self, num_features: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.from_input = nn.Linear(num_features, 4 * size)
        self.from_hidden = nn.Linear(size, 4 * size, bias=False)

    def forward(self, features: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs [T, B, size] and the state after the last step.

        Args:
            features: [T, B, num_features].
            state: [B, 2, size] before the first step.
            episode_start: [T, B] bool, zero the state before this step.
        """
        gates = self.from_input(features)
        keep = (~episode_start).to(features.dtype).unsqueeze(-1)
        hidden, cell = state.unbind(1)
        learns = torch.is_grad_enabled() and (gates.requires_grad or hidden.requires_grad)
        steps = Steps.apply if learns else shown_steps
        outputs, hidden, cell = steps(gates, self.from_hidden.weight, hidden, cell, keep)
        return outputs, torch.stack((hidden, cell), dim=1)


def steps_of(
    gates: Tensor, weight: Tensor, hidden: Tensor, cell: Tensor, keep: Tensor
) -> tuple[Tensor, Tensor, Tensor, list[tuple[Tensor, ...]]]:
    """Outputs [T, B, size], hidden and cell after the last step, and what the backward pass needs of each.

        i, f, g, o = gates_t + W h_{t-1}
        c_t = sigmoid(f) c_{t-1} + sigmoid(i) tanh(g),  h_t = sigmoid(o) tanh(c_t)

    Args:
        gates: [T, B, 4 size], the input's part.
        weight: [4 size, size], W.
        hidden: [B, size] before the first step.
        cell: [B, size] likewise.
        keep: [T, B, 1], 0 where the state is put back to zero before a step, else 1.
    """
    outputs: list[Tensor] = []
    kept: list[tuple[Tensor, ...]] = []
    for t in range(len(gates)):
        before, cell_before = hidden * keep[t], cell * keep[t]
        into, forget, candidate, out = (gates[t] + nn.functional.linear(before, weight)).chunk(4, dim=-1)
        into, forget, out = torch.sigmoid(into), torch.sigmoid(forget), torch.sigmoid(out)
        candidate = torch.tanh(candidate)
        cell = forget * cell_before + into * candidate
        shown = torch.tanh(cell)
        hidden = out * shown
        outputs.append(hidden)
        kept.append((before, cell_before, into, forget, candidate, out, shown))
    return torch.stack(outputs), hidden, cell, kept


def shown_steps(*arguments: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The steps without what a backward pass needs."""
    return steps_of(*arguments)[:3]


class Steps(torch.autograd.Function):
    """`steps_of` with a backward pass written out."""

    @staticmethod
    def forward(context: Any, *arguments: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Outputs [T, B, size], and hidden and cell after the last step."""
        outputs, hidden, cell, kept = steps_of(*arguments)
        _, weight, _, _, keep = arguments
        context.save_for_backward(weight, keep, *(tensor for step in kept for tensor in step))
        return outputs, hidden, cell

    @staticmethod
    def backward(context: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the first four arguments."""
        of_outputs, of_hidden, of_cell = grads
        weight, keep, *saved = context.saved_tensors
        steps, size = len(keep), weight.shape[1]
        of_gates = saved[0].new_empty(steps, keep.shape[1], 4 * size)
        of_weight = None
        for t in reversed(range(steps)):
            before, cell_before, into, forget, candidate, out, shown = saved[7 * t : 7 * t + 7]
            of_hidden = of_outputs[t] + of_hidden
            of_cell = d_tanh(of_hidden * out, shown) + of_cell
            row = of_gates[t]
            row[:, :size] = d_sigmoid(of_cell * candidate, into)
            row[:, size : 2 * size] = d_sigmoid(of_cell * cell_before, forget)
            row[:, 2 * size : 3 * size] = d_tanh(of_cell * into, candidate)
            row[:, 3 * size :] = d_sigmoid(of_hidden * shown, out)
            here = row.t().mm(before)
            of_weight = here if of_weight is None else of_weight.add_(here)
            of_hidden = row.mm(weight) * keep[t]
            of_cell = of_cell * forget * keep[t]
        return of_gates, of_weight, of_hidden, of_cell, None
