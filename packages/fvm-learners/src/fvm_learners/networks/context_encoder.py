"""What one transition says of its task: PEARL's amortised posterior (Rakelly et al. 2019, arXiv 1903.08254).

phi(s, a, r[, s']) = N(mu, var), one Gaussian factor of q(z | context) for each transition of it   (eq. 2)

The paper's tasks are told by their rewards, and its code leaves s' out; tasks that differ in what an action
does are told by s' alone.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ContextEncoder(nn.Module):
    """Encodes observation, one-hot action and reward, and the next observation if asked to.

    Args:
        encoder: Of observations, this network's own.
        num_actions: Of the one-hot action.
        hidden_size: Of the layer that joins them.
        latent_size: Of z.
        next_obs: Whether the next observation counts.
    """

    def __init__(
        self,
        encoder: nn.Module,
        num_features: int,
        num_actions: int,
        hidden_size: int,
        latent_size: int,
        *,
        next_obs: bool = False,
    ) -> None:
        super().__init__()
        self.encoder, self.num_actions, self.next_obs = encoder, num_actions, next_obs
        self.hidden = nn.Linear(num_features * (1 + next_obs) + num_actions + 1, hidden_size)
        self.gaussian = nn.Linear(hidden_size, 2 * latent_size)

    def forward(
        self, obs: Tensor, action: Tensor, reward: Tensor, next_obs: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Mean and variance [..., latent_size] of each transition's factor.

        Args:
            obs: [..., *obs_shape].
            action: [...] int64.
            reward: [...] of one step.
            next_obs: [..., *obs_shape] that it led to, if the encoder takes it.
        """
        leading = action.shape
        seen = (obs, next_obs) if self.next_obs and next_obs is not None else (obs,)
        features = [
            self.encoder(part.flatten(0, len(leading) - 1) if leading else part.unsqueeze(0)) for part in seen
        ]
        told = F.one_hot(action.reshape(-1), self.num_actions).to(features[0].dtype)
        joined = torch.cat((*features, told, reward.reshape(-1, 1)), dim=-1)
        mean, spread = self.gaussian(F.relu(self.hidden(joined))).reshape(*leading, -1).chunk(2, dim=-1)
        return mean, F.softplus(spread)
