"""What one transition says of its task: PEARL's amortised posterior (Rakelly et al. 2019, arXiv 1903.08254).

phi(s, a, r) = N(mu, var), one Gaussian factor of q(z | context) for each transition of the context (eq. 2)
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ContextEncoder(nn.Module):
    """Encodes observation, one-hot action and reward.

    Args:
        encoder: of observations, this network's own.
        num_actions: of the one-hot action.
        hidden_size: of the layer that joins the three.
        latent_size: of z.
    """

    def __init__(
        self, encoder: nn.Module, num_features: int, num_actions: int, hidden_size: int, latent_size: int
    ) -> None:
        super().__init__()
        self.encoder, self.num_actions = encoder, num_actions
        self.hidden = nn.Linear(num_features + num_actions + 1, hidden_size)
        self.gaussian = nn.Linear(hidden_size, 2 * latent_size)

    def forward(self, obs: Tensor, action: Tensor, reward: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance [..., latent_size] of each transition's factor.

        Args:
            obs: [..., *obs_shape].
            action: [...] int64.
            reward: [...] of one step.
        """
        leading = action.shape
        features = self.encoder(obs.flatten(0, len(leading) - 1) if leading else obs.unsqueeze(0))
        told = F.one_hot(action.reshape(-1), self.num_actions).to(features.dtype)
        joined = torch.cat((features, told, reward.reshape(-1, 1)), dim=-1)
        mean, spread = self.gaussian(F.relu(self.hidden(joined))).reshape(*leading, -1).chunk(2, dim=-1)
        return mean, F.softplus(spread)
