"""The retentions of one adaptation: made afresh, told what was known, and what that cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from fvm_meta.retention.retention import Retention
from fvm_meta.retention.states import States, visited
from fvm_meta.stream import Envs, Snapshot


class RetentionConfig(Protocol):
    """Settings that make a fresh retention."""

    def make(self) -> Retention: ...  # noqa: D102


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
        self._visited: dict[int, States] = {}
        self.env_steps = 0

    def before(self, learner: Any) -> None:
        """Shows the learner with its random weights to each of them."""
        for hook in self.hooks:
            hook.before(learner)

    def prepare(self, learner: Any, rng: np.random.Generator) -> None:
        """Tells each of them what was known; `rng` is spawned from if there are any."""
        if self._snapshot is None or not self.hooks:
            return
        snapshot = self._snapshot
        (draws,) = rng.spawn(1)
        seed = int(draws.integers(2**31))

        def play(num: int) -> States:
            if num not in self._visited:
                envs = self._make_envs(seed)
                try:
                    self._visited[num] = visited(snapshot.policy, envs, num, seed, learner.policy)
                finally:
                    envs.close()
                self.env_steps += num
            return self._visited[num]

        for hook in self.hooks:
            hook.prepare(learner, snapshot, play)
        self._visited.clear()
