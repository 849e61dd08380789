"""All that a C2F-ARM agent learns: a Q network a depth, and the context encoder where there is a latent."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fvm_learners.c2f_arm.config import C2FARMConfig
from fvm_learners.c2f_arm.inception import SLOPE, Dense, InceptionNetwork, initialise
from fvm_learners.c2f_arm.outlook import check_outlook, told_by
from fvm_learners.c2f_arm.patch import PatchNetwork
from fvm_learners.c2f_arm.scene import Network
from fvm_learners.c2f_arm.transitions import Context
from fvm_learners.c2f_arm.views import Eye

CONTEXT_CHANNELS = 32
PARTS = ("encoder", "head", "context")


class ArmNetworks(nn.Module):
    """The networks of all depths.

    Args:
        eye: How observations are read.
        config: Which networks.
        rng: Draws the weights.
    """

    context_next_obs = False

    def __init__(self, eye: Eye, config: C2FARMConfig, rng: torch.Generator) -> None:
        super().__init__()
        self.latent_size = config.latent_size
        make = {"upstream": InceptionNetwork, "patch": PatchNetwork}[config.network]
        last = len(config.grid_sizes) - 1
        self.depths = nn.ModuleList(
            make(
                size,
                config.channels,
                eye.num_low_dim,
                config.padding,
                rng,
                config.num_values if depth == last else 0,
                config.latent_size,
            )
            for depth, size in enumerate(config.grid_sizes)
        )
        self.context = ContextEncoder(eye, config, rng) if config.latent_size else None

    @property
    def networks(self) -> Sequence[Network]:
        """One a depth."""
        return list(self.depths)  # type: ignore[arg-type]

    def factors(self, contexts: Sequence[Context]) -> tuple[Tensor, Tensor]:
        """Mean and variance [N, latent_size] of all contexts' N transitions, in order.

        Raises:
            ValueError: There is no latent.
        """
        if self.context is None:
            raise ValueError(
                "latent_size is 0: there is no latent to infer; set C2FARMConfig(latent_size=...)"
            )
        return self.context(contexts)  # type: ignore[no-any-return]


class ContextEncoder(nn.Module):
    """What a transition says of its task: the first camera's picture, the action and the reward.

    Two convolutions of stride 2, a hidden layer, and a Gaussian factor, as the authors of Mandi, Abbeel,
    James 2022 have it; their output layer has an activation as well, ours is linear.
    """

    def __init__(self, eye: Eye, config: C2FARMConfig, rng: torch.Generator) -> None:
        super().__init__()
        self.size = (eye.height, eye.width)
        self.one = nn.Parameter(torch.empty(CONTEXT_CHANNELS, 3, 3, 3))
        self.two = nn.Parameter(torch.empty(CONTEXT_CHANNELS, CONTEXT_CHANNELS, 3, 3))
        initialise(self.one, rng)
        initialise(self.two, rng)
        height, width = ((side + 3) // 4 for side in self.size)
        seen = CONTEXT_CHANNELS * height * width
        self.hidden = Dense(seen + 8 + 1, config.context_hidden_size, rng)
        self.gaussian = Dense(config.context_hidden_size, 2 * config.latent_size, rng, linear=True)

    def forward(self, contexts: Sequence[Context]) -> tuple[Tensor, Tensor]:
        """Mean and variance [N, latent_size]."""
        device = self.one.device

        def joined(arrays: Sequence[np.ndarray]) -> Tensor:
            return torch.from_numpy(np.concatenate(list(arrays))).to(device)

        rgb = joined([context.views.rgb[:, 0] for context in contexts])
        picture = rgb.view(-1, 3, *self.size).float() * (2 / 255) - 1
        x = F.leaky_relu(F.conv2d(picture, self.one, stride=2, padding=1), SLOPE)
        x = F.leaky_relu(F.conv2d(x, self.two, stride=2, padding=1), SLOPE)
        action = joined([context.action for context in contexts])
        reward = joined([context.reward for context in contexts])
        mean, spread = self.gaussian(
            self.hidden(torch.cat((x.flatten(1), action, reward[:, None]), dim=1))
        ).chunk(2, dim=1)
        return mean, F.softplus(spread)


def part_of(name: str) -> str:
    """Which of `PARTS` a parameter belongs to."""
    if name.startswith("context."):
        return "context"
    return "head" if ".head." in name else "encoder"


def check_parts(parts: Sequence[str], known: Sequence[str]) -> None:
    """Raises ValueError if one of `parts` is not among the known ones."""
    unknown = [part for part in parts if part not in known]
    if unknown:
        raise ValueError(f"there are no parts {unknown}: the parts are {', '.join(known)}")


def freeze_parts(policy: ArmNetworks, frozen: Collection[str]) -> None:
    """Let all parameters be trained but those of some parts."""
    for name, parameter in policy.named_parameters():
        parameter.requires_grad_(part_of(name) not in frozen)
        if not parameter.requires_grad:
            parameter.grad = None


def load_weights(module: nn.Module, weights: Mapping[str, Tensor], only: Sequence[str] | None = None) -> None:
    """Overwrite a module's parameters, or those of some parts.

    Raises:
        ValueError: There is no such part, or names or shapes are not this module's.
    """
    check_parts(only or (), PARTS)

    def chosen(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: value for name, value in state.items() if only is None or part_of(name) in only}

    own, theirs = chosen(module.state_dict()), chosen(weights)
    shapes = [{name: tuple(value.shape) for name, value in state.items()} for state in (own, theirs)]
    if shapes[0] != shapes[1]:
        said, needed = told_by(weights), told_by(module.state_dict())
        both = said.keys() & needed.keys()  # networks of different kinds do not say the same
        alike = {name: value for name, value in needed.items() if name in both}
        check_outlook({name: said[name] for name in alike}, alike, "these weights are")
        differing = sorted(n for n in {*own, *theirs} if shapes[0].get(n) != shapes[1].get(n))
        raise ValueError(
            f"these weights are of other networks: they differ in {', '.join(differing[:4])}"
            f"{' ...' if len(differing) > 4 else ''}; use the config and observations they were made with"
        )
    module.load_state_dict(theirs, strict=only is None)


def clip_gradients(policy: ArmNetworks, config: C2FARMConfig) -> dict[str, Tensor]:
    """The length of each depth's gradient, which is then clipped as the config says."""
    norms = {}
    longest = config.max_grad_norm or float("inf")
    for depth, network in enumerate(policy.depths):
        norms[f"grad_norm_{depth}"] = nn.utils.clip_grad_norm_(network.parameters(), longest)
    if policy.context is not None:
        nn.utils.clip_grad_norm_(policy.context.parameters(), longest)
    if config.max_grad_value is not None:
        nn.utils.clip_grad_value_(policy.parameters(), config.max_grad_value)
    return norms
