"""Policy heads: features to a distribution over actions, sampled from noise that the caller draws.

A sample is a function of the distribution's parameters and of noise (uniform for `Discrete`, standard normal
for `Box`). So the learner draws it from one `torch.Generator` on any device, and a frozen policy from each
slot's own `numpy.random.Generator`.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor, nn


@dataclass(frozen=True)
class Categorical:
    """Over actions 0..n-1; `log_probs` [..., n] is normalised."""

    log_probs: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """Inverse of the cumulative distribution at `noise` [...], uniform in [0, 1): int64 [...]."""
        cumulative = self.log_probs.double().exp().cumsum(-1)
        index = (cumulative <= noise.unsqueeze(-1)).sum(-1)
        return index.clamp_(max=self.log_probs.shape[-1] - 1)  # the last sum may be 1 - 1e-8

    def log_prob(self, action: Tensor) -> Tensor:
        """Returns the log-probability of each action, [...]."""
        return self.log_probs.gather(-1, action.unsqueeze(-1)).squeeze(-1)

    def entropy(self) -> Tensor:
        """Nats [...]; actions that are masked, whose log-probability is -inf, add nothing."""
        return -(self.log_probs.exp() * self._unmasked(self.log_probs)).sum(-1)

    def kl(self, other: "Categorical") -> Tensor:
        """KL(self || other) in nats [...]; actions that are masked in `self` add nothing."""
        return (self.log_probs.exp() * self._unmasked(self.log_probs - other.log_probs)).sum(-1)

    def _unmasked(self, each: Tensor) -> Tensor:
        """What `each` [..., n] says of actions that are possible: 0 times infinity is none."""
        return each.masked_fill(self.log_probs.isneginf(), 0.0)

    @property
    def params(self) -> Tensor:
        """What it is made of, [..., n], as `from_params` takes it."""
        return self.log_probs

    def mode(self) -> Tensor:
        """The likeliest action, int64 [...]."""
        return self.log_probs.argmax(dim=-1)

    def draw(self, rng: torch.Generator) -> Tensor:
        """An action, int64 [...]."""
        probs = self.log_probs.exp()
        drawn = torch.multinomial(probs.reshape(-1, probs.shape[-1]), 1, generator=rng)
        return drawn.reshape(probs.shape[:-1])

    def spread(self) -> Tensor:
        """Standard deviation of the log-probabilities from their mean in each state, a scalar."""
        return (self.log_probs - self.log_probs.mean(dim=-1, keepdim=True)).std()

    def fisher_weights(self) -> Tensor:
        """Weights w [..., n] of the Fisher information sum_m w_m (d params_m / d theta)^2: probabilities."""
        return self.log_probs.exp()

    @classmethod
    def from_params(cls, params: Tensor) -> "Categorical":
        """The distribution that gave `params`."""
        return cls(params)


@dataclass(frozen=True)
class DiagonalGaussian:
    """Over [..., d] with standard deviations that do not depend on the observation."""

    mean: Tensor
    log_std: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """Action [..., d] from standard normal `noise` [..., d]."""
        return self.mean + self.log_std.exp() * noise.to(self.mean.dtype)

    def log_prob(self, action: Tensor) -> Tensor:
        """Returns the log-probability of each action, [...]."""
        z = (action - self.mean) * torch.exp(-self.log_std)
        return -(0.5 * z**2 + self.log_std + 0.5 * math.log(2 * math.pi)).sum(-1)

    def entropy(self) -> Tensor:
        """Nats [...]."""
        each = self.log_std + 0.5 * math.log(2 * math.pi * math.e)
        return each.expand_as(self.mean).sum(-1)

    def kl(self, other: "DiagonalGaussian") -> Tensor:
        """KL(self || other) in nats [...], summed over the action's dimensions."""
        ratio = (2 * (self.log_std - other.log_std)).exp()
        way = ((self.mean - other.mean) * torch.exp(-other.log_std)) ** 2
        return 0.5 * (ratio + way - 1 - 2 * (self.log_std - other.log_std)).sum(-1)

    @property
    def params(self) -> Tensor:
        """What it is made of, means and log standard deviations [..., 2 d], as `from_params` takes it."""
        return torch.cat((self.mean, self.log_std.expand_as(self.mean)), dim=-1)

    def fisher_weights(self) -> Tensor:
        """Weights [..., 2 d] of the Fisher information in `params`: 1 / std^2 of the means, 2 of the logs."""
        precision = (-2 * self.log_std).exp().expand_as(self.mean)
        return torch.cat((precision, torch.full_like(precision, 2.0)), dim=-1)

    @classmethod
    def from_params(cls, params: Tensor) -> "DiagonalGaussian":
        """The distribution that gave `params`."""
        return cls(*params.chunk(2, dim=-1))


Distribution = Categorical | DiagonalGaussian


class DiscreteHead(nn.Module):
    """For `gymnasium.spaces.Discrete`."""

    distribution = Categorical

    def __init__(self, space: spaces.Discrete, num_features: int) -> None:
        super().__init__()
        self.start, self.dtype = int(space.start), space.dtype
        self.action_shape: tuple[int, ...] = ()
        self.action_dtype = torch.int64
        self.dense = nn.Linear(num_features, int(space.n))

    def forward(self, features: Tensor) -> Categorical:
        """Returns the distribution over [...] for features [..., num_features]."""
        return Categorical(torch.log_softmax(self.dense(features), dim=-1))

    def draw(self, num_envs: int, rng: torch.Generator) -> Tensor:
        """Noise [num_envs] for one action a slot."""
        return torch.rand(num_envs, generator=rng, dtype=torch.float64)

    def draw_one(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Noise for one slot."""
        return np.asarray(rng.random())

    def to_env(self, action: Tensor) -> NDArray[Any]:
        """What the env takes: [B] in the type of its space, int64 unless it says otherwise."""
        return (action.cpu().numpy() + self.start).astype(self.dtype)


class BoxHead(nn.Module):
    """For `gymnasium.spaces.Box`; actions are clipped to its bounds only on their way to the env."""

    distribution = DiagonalGaussian

    def __init__(self, space: spaces.Box, num_features: int) -> None:
        super().__init__()
        self.low, self.high, self.dtype = space.low, space.high, space.dtype
        self.box_shape = space.shape
        self.action_shape: tuple[int, ...] = (math.prod(space.shape),)
        self.action_dtype = torch.float32
        self.dense = nn.Linear(num_features, *self.action_shape)
        self.log_std = nn.Parameter(torch.zeros(self.action_shape))

    def forward(self, features: Tensor) -> DiagonalGaussian:
        """Returns the distribution over [..., d] for features [..., num_features]."""
        return DiagonalGaussian(self.dense(features), self.log_std)

    def draw(self, num_envs: int, rng: torch.Generator) -> Tensor:
        """Noise [num_envs, d] for one action a slot."""
        return torch.randn(num_envs, len(self.log_std), generator=rng, dtype=torch.float64)

    def draw_one(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Noise [d] for one slot."""
        return rng.standard_normal(len(self.log_std))

    def to_env(self, action: Tensor) -> NDArray[np.generic]:
        """What the env takes: [B, *box_shape] within the bounds.

        A policy that has diverged gives NaN, which few envs survive: they get 0, or the bound next to it.
        """
        free = np.nan_to_num(action.cpu().numpy(), nan=0.0).reshape(-1, *self.box_shape)
        bounded: NDArray[np.generic] = np.clip(free, self.low, self.high).astype(self.dtype)
        return bounded


Head = DiscreteHead | BoxHead


def make_head(space: spaces.Space[Any], num_features: int) -> Head:
    """The head for an action space.

    Raises:
        TypeError: Neither `Discrete` nor a floating `Box`.
    """
    if isinstance(space, spaces.Discrete):
        return DiscreteHead(space, num_features)
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating):
        return BoxHead(space, num_features)
    raise TypeError(
        f"action space {space} is neither Discrete nor a floating-point Box: wrap the envs so that it is one "
        "(MultiDiscrete([n, m]) becomes Discrete(n * m), action -> divmod(action, m))"
    )
