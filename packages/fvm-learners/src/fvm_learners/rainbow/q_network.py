"""Rainbow's network: distributions over returns by a dueling head with noisy layers.

    value(s) [Z], advantage(s) [A, Z];  logits = value + advantage - mean over actions of advantage
    p(s, a) = softmax over atoms of logits                                    (Hessel et al. 2018, "dueling")

With a latent z (PEARL), it joins the encoder's features before both streams.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor, nn

from fvm_learners.networks.context_encoder import ContextEncoder
from fvm_learners.networks.encoders import (
    IMAGE_ENCODERS,
    check_observation_space,
    is_factory,
    make_own_encoder,
)
from fvm_learners.networks.image import from_image
from fvm_learners.networks.mlp import MLP
from fvm_learners.networks.noisy import NoisyLinear, factorised
from fvm_learners.rainbow.config import RainbowConfig
from fvm_learners.replay.replay import Context


class QNetwork(nn.Module):
    """Observations [B, *obs_shape] to log-probabilities of returns [B, A, Z].

    Args:
        observation_space: a Box, of one slot.
        action_space: Discrete.
        config: Sizes, encoder, atoms.
        rng: Draws the weights.

    Raises:
        TypeError: A space of another kind.
        ValueError: Images are too small for the encoder.
    """

    atoms: Tensor

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        config: RainbowConfig,
        rng: torch.Generator,
    ) -> None:
        super().__init__()
        self.obs_shape, self.obs_dtype = check_observation_space(observation_space, config.encoder, "encoder")
        if not isinstance(action_space, spaces.Discrete):
            raise TypeError(
                f"action space {action_space} is not Discrete, and Rainbow compares every action: use PPO, "
                "or wrap the envs so that it is (MultiDiscrete([n, m]) becomes Discrete(n * m), action -> "
                "divmod(action, m))"
            )
        self.num_actions, self.first_action = int(action_space.n), int(action_space.start)
        self._action_dtype = action_space.dtype
        self.num_atoms, self.output_relu, self.latent_size = (
            config.num_atoms,
            config.output_relu,
            config.latent_size,
        )
        self.register_buffer(
            "atoms", torch.linspace(config.v_min, config.v_max, config.num_atoms), persistent=False
        )

        def encoder() -> Any:
            if config.encoder == "mlp":
                return MLP(self.obs_shape, config.mlp_sizes)
            if is_factory(config.encoder):
                own_seed = int(torch.randint(2**31 - 1, (), generator=rng))
                return make_own_encoder(config.encoder, self.obs_shape, self.obs_dtype, own_seed)
            kind = IMAGE_ENCODERS[config.encoder]
            return (
                kind(self.obs_shape)
                if config.encoder == "data-efficient"
                else kind(self.obs_shape, num_features=None)
            )

        with torch.random.fork_rng(devices=[]):  # torch's layers draw from the global RNG when they are made
            self.encoder = encoder()
            num_features = self.encoder.num_features
            self.context_encoder = (
                ContextEncoder(
                    encoder(),
                    num_features,
                    self.num_actions,
                    config.context_hidden_size,
                    config.latent_size,
                    next_obs=config.context_next_obs,
                )
                if config.latent_size
                else None
            )
        self._shares_images = self.obs_dtype != torch.float32 and not is_factory(config.encoder)
        own = ("encoder", "context_encoder.encoder") if is_factory(config.encoder) else ()
        left = {m for name, m in self.named_modules() if own and name.startswith(own)}
        _initialise(self, rng, left)
        num_features += config.latent_size

        def noisy(num_inputs: int, num_outputs: int) -> NoisyLinear:
            return NoisyLinear(num_inputs, num_outputs, config.noisy_sigma, rng)

        self.value_hidden = noisy(num_features, config.hidden_size)
        self.value = noisy(config.hidden_size, config.num_atoms)
        self.advantage_hidden = noisy(num_features, config.hidden_size)
        self.advantage = noisy(config.hidden_size, self.num_actions * config.num_atoms)

    last_layer = "advantage"

    @property
    def context_next_obs(self) -> bool:
        """Whether a context has to show what its steps led to."""
        return self.context_encoder is not None and self.context_encoder.next_obs

    def parts(self) -> dict[str, tuple[str, ...]]:
        """The encoder, the heads behind it, and the encoder of contexts if there is one."""
        head = ("value_hidden", "value", "advantage_hidden", "advantage")
        context = {"context": ("context_encoder",)} if self.context_encoder is not None else {}
        return {"encoder": ("encoder",), "head": head, **context}

    def factors(self, contexts: Sequence[Context]) -> tuple[Tensor, Tensor]:
        """Mean and variance [N, latent_size] of each transition's factor of q(z | context), in order.

        Args:
            contexts: As `Replay.recent` gives them, N transitions in all; none need not have any.

        Raises:
            ValueError: This network has no latent.
        """
        if self.context_encoder is None:
            raise ValueError("this network infers no latent: make it with latent_size above 0")
        obs, action, reward = (
            torch.cat([getattr(context, part) for context in contexts])
            for part in ("obs", "action", "reward")
        )
        following = [context.next_obs for context in contexts if context.next_obs is not None]
        mean, variance = self.context_encoder(
            obs, action, reward, torch.cat(following) if self.context_next_obs else None
        )
        return mean, variance

    def to_env(self, action: NDArray[np.int64]) -> NDArray[Any]:
        """What the env takes, for actions [B] counted from 0."""
        return (action + self.first_action).astype(self._action_dtype)

    @property
    def noisy_layers(self) -> tuple[NoisyLinear, ...]:
        """In the order in which noise is handed out."""
        return (self.value_hidden, self.value, self.advantage_hidden, self.advantage)

    def draw_noise(self, rows: int, rng: torch.Generator) -> Tensor:
        """Noise [rows, num_noise] of all layers; one row serves a whole batch."""
        width = sum(layer.num_noise for layer in self.noisy_layers)
        return factorised(torch.randn(rows, width, generator=rng, device=rng.device))

    def reset_sigmas(self) -> None:
        """Put the noise's scale back to where it started."""
        for layer in self.noisy_layers:
            layer.reset_sigmas()

    def prepared(self, obs: Tensor) -> Tensor:
        """Observations as the encoder computes with them, for those that several networks look at."""
        return from_image(obs) if self._shares_images else obs

    def forward(self, obs: Tensor, noise: Tensor | None = None, latent: Tensor | None = None) -> Tensor:
        """Log p(return = atom) [B, A, Z].

        Args:
            obs: [B, *obs_shape], images as uint8, or as `prepared` made them.
            noise: [B or 1, num_noise] of `draw_noise`; None for the weights' means.
            latent: [B, latent_size]; None without.
        """
        features = self.encoder(obs)
        if self.latent_size:
            if latent is None:
                raise ValueError(
                    f"this network has latent_size={self.latent_size} and got no latent: use a sampler that "
                    "gives one, as fvm_meta's PEARL does, or latent_size=0"
                )
            features = torch.cat((features, latent), dim=-1)
        parts: tuple[Tensor | None, ...] = (None,) * len(self.noisy_layers)
        if noise is not None:
            parts = torch.split(noise, [layer.num_noise for layer in self.noisy_layers], dim=-1)
        value = self.value(F.relu(self.value_hidden(features, parts[0])), parts[1])
        advantage = self.advantage(F.relu(self.advantage_hidden(features, parts[2])), parts[3])
        if self.output_relu:
            value, advantage = F.relu(value), F.relu(advantage)
        advantage = advantage.view(-1, self.num_actions, self.num_atoms)
        logits = value.unsqueeze(1) + advantage - advantage.mean(dim=1, keepdim=True)
        return F.log_softmax(logits, dim=-1)

    def q_values(self, obs: Tensor, noise: Tensor | None = None, latent: Tensor | None = None) -> Tensor:
        """Expected returns [B, A]."""
        log_prob: Tensor = self(obs, noise, latent)
        return log_prob.exp() @ self.atoms


@torch.no_grad()
def _initialise(network: nn.Module, rng: torch.Generator, left: set[nn.Module]) -> None:
    """Weights and biases uniform within 1/sqrt(inputs): torch's default, which the published numbers used.

    An encoder of the user's, whose modules are `left`, stays as it was made.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and module not in left:
            bound = 1 / math.sqrt(module.weight[0].numel())
            module.weight.uniform_(-bound, bound, generator=rng)
            if module.bias is not None:
                module.bias.uniform_(-bound, bound, generator=rng)
