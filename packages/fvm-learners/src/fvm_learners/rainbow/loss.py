"""Rainbow's loss on a batch; the equations are in `rainbow.py`."""

import torch
from torch import Tensor

from fvm_learners.rainbow.c51 import project
from fvm_learners.rainbow.config import RainbowConfig
from fvm_learners.rainbow.gradient_step import Noise
from fvm_learners.rainbow.q_network import QNetwork
from fvm_learners.replay.samplers import ReplayBatch

NO_NOISE = Noise()


def rainbow_loss(
    batch: ReplayBatch,
    online: QNetwork,
    target: QNetwork,
    config: RainbowConfig,
    noise: Noise = NO_NOISE,
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """The loss to minimise, each transition's loss [B] for its priority, and metrics."""
    samples = torch.arange(len(batch.action), device=batch.action.device)
    log_prob = online(batch.obs, noise.online, batch.latent)[samples, batch.action]  # [B, Z]
    with torch.no_grad():
        latent = None if batch.latent is None else batch.latent.detach()
        next_obs = online.prepared(batch.next_obs)
        best = online.q_values(next_obs, noise.online, latent).argmax(dim=1)
        next_prob = target(next_obs, noise.target, latent)[samples, best].exp()
        target_prob = project(next_prob, batch.return_, batch.discount, online.atoms)
    cross_entropy = -(target_prob * log_prob).sum(dim=1)  # [B]
    loss = (batch.weight * cross_entropy).mean()
    with torch.no_grad():
        entropy = -torch.xlogy(target_prob, target_prob).sum(dim=1)
        kl = (cross_entropy - entropy).clamp(min=0)
        q_value = log_prob.exp() @ online.atoms
        metrics = {
            "cross_entropy": cross_entropy.mean(),
            "kl": kl.mean(),
            "q_value": q_value.mean(),
            "td_error": (target_prob @ online.atoms - q_value).abs().mean(),
        }
    sample_loss = kl if config.priority_loss == "kl" else cross_entropy.detach()
    return loss, sample_loss, {name: metric.detach() for name, metric in metrics.items()}
