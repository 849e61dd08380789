"""Networks that come apart: their parts are loaded, frozen and drawn anew one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from torch import Tensor, nn
from torch.optim import Optimizer

from fvm_learners.weights import load_network_weights, network_weights, reset_optimiser_state


class PartedNetwork(Protocol):
    """A module that says which of its submodules make which part."""

    def parts(self) -> Mapping[str, Sequence[str]]:
        """Names of the submodules of each part, which together hold every parameter."""
        ...


class Parts:
    """The parts of a learner's network, and which of them are frozen.

    Args:
        network: A module with `parts()`, as in `PartedNetwork`.
        changed: Called after other parameters are to be trained.
    """

    def __init__(self, network: nn.Module, changed: Callable[[], None] | None = None) -> None:
        self.network, self._changed = network, changed
        self._submodules: Mapping[str, Sequence[str]] = network.parts()  # type: ignore[operator]
        self.frozen: set[str] = set()
        self._modes: dict[nn.Module, bool] = {}  # of what is frozen: whether it was in training mode

    @property
    def names(self) -> tuple[str, ...]:
        """What there is to load, freeze or draw anew."""
        return tuple(self._submodules)

    def prefixes(self, parts: Iterable[str]) -> tuple[str, ...]:
        """Returns what the names of these parts' parameters begin with.

        Raises:
            ValueError: There is no such part.
        """
        parts = (parts,) if isinstance(parts, str) else tuple(parts)
        unknown = sorted(set(parts) - self._submodules.keys())
        if unknown or not parts:
            raise ValueError(
                f"this network has no part {', '.join(unknown) or '(none was named)'}: choose of "
                f"{', '.join(self.names)}"
            )
        return tuple(f"{submodule}." for part in parts for submodule in self._submodules[part])

    def parameters(self, parts: Iterable[str]) -> list[nn.Parameter]:
        """Returns the parameters of these parts."""
        prefixes = self.prefixes(parts)
        return [p for name, p in self.network.named_parameters() if name.startswith(prefixes)]

    def freeze(self, parts: Sequence[str]) -> None:
        """Trains everything but these parts, and those frozen before, from now on.

        What an encoder of the user's keeps of its batches (BatchNorm) stands still as well: the modules are
        in evaluation mode while they are frozen.

        Raises:
            ValueError: There is no such part, or nothing would be left to train.
        """
        frozen = self.frozen | set(parts)
        chosen = self.parameters(parts)
        if frozen >= set(self.names):
            raise ValueError(f"freezing {', '.join(sorted(frozen))} leaves nothing to train: leave a part")
        for parameter in chosen:
            parameter.requires_grad_(False)
        for module in self._modules(parts):
            self._modes.setdefault(module, module.training)
            module.training = False
        self.frozen = frozen
        self._say_changed()

    def unfreeze(self, parts: Sequence[str] = ()) -> None:
        """Trains these parts again from now on, or all of them if none is named."""
        for parameter in self.parameters(parts or self.names):
            parameter.requires_grad_(True)
        for module in self._modules(parts or self.names):
            module.training = self._modes.pop(module, module.training)
        self.frozen -= set(parts or self.names)
        self._say_changed()

    def _modules(self, parts: Iterable[str]) -> Iterator[nn.Module]:
        for prefix in self.prefixes(parts):
            yield from self.network.get_submodule(prefix.removesuffix(".")).modules()

    def _say_changed(self) -> None:
        if self._changed is not None:
            self._changed()

    def reset(self, parts: Sequence[str], weights: Mapping[str, Tensor], optimiser: Optimizer) -> None:
        """Overwrites these parts with `weights`, and forgets their moments."""
        load_network_weights(self.network, weights, self.prefixes(parts))
        reset_optimiser_state(optimiser, self.parameters(parts))


class PartedLearner:
    """What every learner does with its network and its parts. A learner sets both when it is made.

    Attributes:
        optimiser: Of the network.
    """

    optimiser: Optimizer
    _parts: Parts

    def weights(self) -> dict[str, Tensor]:
        """Returns copies of the network's parameters, contiguous, on the CPU."""
        return network_weights(self._parts.network)

    def load_weights(self, weights: Mapping[str, Tensor], *, only: str | Sequence[str] | None = None) -> None:
        """Overwrites the network's parameters; nothing else of the learner changes.

        Args:
            weights: Names and shapes as `weights()` gives them.
            only: Parts to take, such as "encoder"; None for all.

        Raises:
            ValueError: Names or shapes are not this network's, or there is no such part.
        """
        prefixes = None if only is None else self._parts.prefixes(only)
        load_network_weights(self._parts.network, weights, prefixes)

    def reset_optimiser(self) -> None:
        """Forgets Adam's moments, as a fresh optimiser would have none."""
        reset_optimiser_state(self.optimiser)

    def part_names(self) -> tuple[str, ...]:
        """Returns the parts of the network that can be loaded, frozen and reset alone."""
        return self._parts.names

    def freeze(self, *parts: str) -> None:
        """Trains everything but these parts, and those frozen before, from now on."""
        self._parts.freeze(parts)

    def unfreeze(self, *parts: str) -> None:
        """Trains these parts again, or all if none is named."""
        self._parts.unfreeze(parts)
