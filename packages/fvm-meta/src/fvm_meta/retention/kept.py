"""The retentions of one adaptation: made afresh, told what was known, and what that cost."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

import numpy as np
from gymnasium.vector import VectorWrapper

from fvm_meta.retention.retention import Retention
from fvm_meta.retention.states import States, visited
from fvm_meta.stream import Envs, Policy, Snapshot


class RetentionConfig(Protocol):
    """Settings that make a fresh retention."""

    def make(self) -> Retention: ...  # noqa: D102


class Counted(VectorWrapper[Any, Any, Any]):
    """Envs that count the steps of all slots: whole rows, or whole sequences, are more than was asked for."""

    def __init__(self, envs: Envs) -> None:
        super().__init__(envs)
        self.env_steps = 0

    def step(self, actions: Any) -> Any:
        """Steps all slots."""
        self.env_steps += self.num_envs
        return self.env.step(actions)


def as_pretrained(policy: Any) -> Any:
    """Returns a frozen policy without the memory or the latent that it got from adapting to a task."""
    for forget in ("remembering", "with_latent"):
        if hasattr(policy, forget):
            policy = getattr(policy, forget)(None)
    return policy


class LookBack:
    """Plays the pretraining's own tasks with the pretrained policy, for retentions to look at.

    Args:
        policy: Acts, frozen, as it was pretrained: RL2's begins with no memory and PEARL's with z from the
            prior, also where the snapshot carries what it found out of another task.
        make_envs: Returns envs on the tasks of the pretraining, of a seed.
        seed: Of the envs and of the actions.
        network: The learner's, for the type and the device of what it sees.

    Attributes:
        env_steps: Taken so far.
    """

    def __init__(self, policy: Policy, make_envs: Callable[[int], Envs], seed: int, network: Any) -> None:
        self._policy = as_pretrained(policy)
        self._make_envs, self._seed, self._network = make_envs, seed, network
        self._visited: dict[int, States] = {}
        self.env_steps = 0

    def __call__(self, num: int) -> States:
        """Returns at least `num` states, the same ones each time."""
        if num not in self._visited:
            found: list[States] = []
            self.step(
                num,
                lambda policy, envs, seed: found.append(visited(policy, envs, num, seed, self._network)),
            )
            (self._visited[num],) = found
        return self._visited[num]

    def step(self, num: int, take: Callable[[Policy, Envs, int], None]) -> None:
        """Lets `take(policy, envs, seed)` take `num` env steps, on envs that are closed behind it."""
        counted = Counted(self._make_envs(self._seed))
        try:
            take(self._policy, counted, self._seed)
        finally:
            counted.close()
        self.env_steps += counted.env_steps


class Kept:
    """The retentions of one adaptation.

    Args:
        configs: One each.
        snapshot: The pretrained agent.
        make_envs: Returns envs on the tasks of the pretraining, of a seed.

    Attributes:
        hooks: For the learner.
        env_steps: Taken on the pretraining's tasks so far. They count as no step of the adaptation.

    Raises:
        ValueError: There are retentions and no pretrained agent, or two of the same name.
    """

    def __init__(
        self,
        configs: Sequence[RetentionConfig],
        snapshot: Snapshot | None,
        make_envs: Callable[[int], Envs],
    ) -> None:
        self.hooks = tuple(config.make() for config in configs)
        names = [hook.name for hook in self.hooks]
        if self.hooks and snapshot is None:
            raise ValueError(
                f"{', '.join(names)} keeps what a pretrained agent knows, and none was given: use retain=()"
            )
        if len(set(names)) < len(names):
            raise ValueError(f"retentions {', '.join(names)} are to be different ones: name each once")
        self._snapshot, self._make_envs = snapshot, make_envs
        self.env_steps = 0

    def before(self, learner: Any) -> None:
        """Shows the learner with its random weights to each of them."""
        for hook in self.hooks:
            hook.before(learner)

    def prepare(self, learner: Any, rng: np.random.Generator, frozen: Collection[str] = ()) -> None:
        """Tells each of them what was known, and what never learns: besides what they hold still, `frozen`.

        `rng` is spawned from if there are any.
        """
        if self._snapshot is None or not self.hooks:
            return
        (draws,) = rng.spawn(1)
        seed = int(draws.integers(2**31))
        play = LookBack(self._snapshot.policy, self._make_envs, seed, learner.policy)
        for hook in self.hooks:
            hook.prepare(learner, self._snapshot, play)
        still = {*frozen, *(part for hook in self.hooks for part in hook.still)}
        for hook in self.hooks:
            hook.beside(still)
        self.env_steps += play.env_steps
