"""A policy and a value function on one encoder, with or without memory.

Where the observation carries feedback (`observations.py`) it joins the features in a linear embedding, as in
RL2 (Duan et al. 2016).

Weights are orthogonal and biases zero. The encoder names its gain; the policy's last layer has 0.01 (nearly
uniform at first), the value and the LSTM have 1, as in baselines and CleanRL.
"""

from collections.abc import Collection, Sequence
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn

from fvm_learners.networks.encoders import (
    IMAGE_ENCODERS,
    check_observation_space,
    is_factory,
    make_own_encoder,
)
from fvm_learners.networks.heads import Distribution, make_head
from fvm_learners.networks.lstm import LSTM
from fvm_learners.networks.mlp import MLP
from fvm_learners.observations import Obs, parts_of


class ActorCritic(nn.Module):
    """Acts on one step [B, ...] or evaluates a sequence [T, B, ...]."""

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        *,
        network: str,
        mlp_sizes: Sequence[int],
        lstm_size: int | None,
        rng: torch.Generator,
        bfloat16_on: Collection[str] = (),
    ) -> None:
        super().__init__()
        shown, feedback = parts_of(observation_space)
        self.obs_shape, self.obs_dtype = check_observation_space(shown, network, "network")
        self.bfloat16_on = frozenset(bfloat16_on)  # types of devices
        with torch.random.fork_rng(devices=[]):  # torch's layers draw from the global RNG when they are made
            self.encoder: Any
            if is_factory(network):
                own_seed = int(torch.randint(2**31 - 1, (), generator=rng))
                self.encoder = make_own_encoder(network, self.obs_shape, self.obs_dtype, own_seed)
            elif network == "mlp":
                self.encoder = MLP(self.obs_shape, tuple(mlp_sizes))
            else:
                self.encoder = IMAGE_ENCODERS[network](self.obs_shape)
            num_features = self.encoder.num_features
            self.num_feedback = 0 if feedback is None else feedback.shape[0]
            self.embedding = (
                nn.Linear(num_features + self.num_feedback, num_features) if self.num_feedback else None
            )
            self.lstm = None if lstm_size is None else LSTM(num_features, lstm_size)
            num_features = num_features if lstm_size is None else lstm_size
            self.head = make_head(action_space, num_features)
            self.value = nn.Linear(num_features, 1)
        _initialise(self, rng, () if is_factory(network) else (self.encoder,))

    last_layer = "head.dense"

    @property
    def num_actions(self) -> int:
        """Discrete actions, or dimensions of a continuous one."""
        return int(self.head.dense.out_features)

    def parts(self) -> dict[str, tuple[str, ...]]:
        """The encoder, the policy's and the value's last layers, and the core between them if any."""
        core = tuple(name for name in ("embedding", "lstm") if getattr(self, name) is not None)
        parts = {"encoder": ("encoder",), "core": core, "policy": ("head",), "value": ("value",)}
        return {name: submodules for name, submodules in parts.items() if submodules}

    @property
    def obs_spec(self) -> Any:
        """Type and shape of one observation, part by part."""
        shown = (self.obs_dtype, self.obs_shape)
        if self.embedding is None:
            return shown
        return {"obs": shown, "feedback": (torch.float32, (self.num_feedback,))}

    def initial_state(self, num_envs: int) -> Tensor | None:
        """Zeros [num_envs, 2, lstm_size], or None without memory."""
        if self.lstm is None:
            return None
        return torch.zeros(num_envs, 2, self.lstm.size, device=self.value.weight.device)

    def forward(
        self, obs: Obs, state: Tensor | None = None, episode_start: Tensor | None = None
    ) -> tuple[Distribution, Tensor, Tensor | None]:
        """Distribution over actions, value, and the state after the last step.

        Args:
            obs: [B, *obs_shape] or [T, B, *obs_shape], with its feedback if there is any.
            state: [B, 2, lstm_size] before the first step; None without memory.
            episode_start: [B] or [T, B] bool, zero the state before that step; None without memory.
        """
        shown = obs["obs"] if isinstance(obs, dict) else obs
        leading = shown.shape[: shown.ndim - len(self.obs_shape)]
        device = shown.device.type
        lower = device in self.bfloat16_on
        with torch.autocast(device if lower else "cuda", torch.bfloat16, enabled=lower):
            features = self.encoder(shown.reshape(-1, *self.obs_shape)).float()
        if self.embedding is not None:
            assert isinstance(obs, dict)
            told = obs["feedback"].reshape(-1, self.num_feedback)
            features = self.embedding(torch.cat((features, told), dim=-1))
        if self.lstm is not None:
            if state is None or episode_start is None:
                raise ValueError("a recurrent policy needs `state` and `episode_start`; see initial_state()")
            num_envs = leading[-1]
            outputs, state = self.lstm(
                features.reshape(-1, num_envs, features.shape[-1]), state, episode_start.reshape(-1, num_envs)
            )
            features = outputs
        features = features.reshape(*leading, -1)
        return self.head(features), self.value(features).squeeze(-1), state


def _initialise(policy: ActorCritic, rng: torch.Generator, encoders: Sequence[Any]) -> None:
    """Draws the weights of all layers, but leaves an encoder of the user's (none in `encoders`) as it is."""
    gains: dict[nn.Module, float] = {}
    for encoder in encoders:
        gains |= dict.fromkeys(encoder.modules(), encoder.init_gain)
    left = set() if encoders else set(policy.encoder.modules())
    gains[policy.head.dense] = 0.01
    for module in policy.modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and module not in left:
            nn.init.orthogonal_(module.weight, gains.get(module, 1.0), generator=rng)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
