"""LSTM whose state is put back to zero inside a sequence, where an episode starts.

The input's part of the gates is one product for the whole sequence; only the hidden part goes step by step.
That costs the same wherever episodes start, while `nn.LSTM` would have to be cut at each start of any slot.
"""

import torch
from torch import Tensor, nn


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
        outputs = []
        for t in range(features.shape[0]):
            hidden, cell = hidden * keep[t], cell * keep[t]
            in_gate, forget, candidate, out_gate = (gates[t] + self.from_hidden(hidden)).chunk(4, dim=-1)
            cell = torch.sigmoid(forget) * cell + torch.sigmoid(in_gate) * torch.tanh(candidate)
            hidden = torch.sigmoid(out_gate) * torch.tanh(cell)
            outputs.append(hidden)
        return torch.stack(outputs), torch.stack((hidden, cell), dim=1)
