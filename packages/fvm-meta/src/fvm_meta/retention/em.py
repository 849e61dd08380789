"""EM, episodic memory: fine-tuning whose batches always hold some of what the pretrained agent did.

    batch = round(share B) transitions of the pretrained policy on its own tasks, and the rest as ever

No term is added (Wolczyk et al. 2024, appendix B.3): the learner's own loss on old transitions keeps what it
knew of them. It is for learners with a replay, which keeps them where nothing overwrites them. The authors
have 10,000 in a replay of 100,000, about a tenth of each batch once it is full.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from fvm_learners.config_checks import check_counts, is_number

from fvm_meta.capabilities import Protecting
from fvm_meta.retention.retention import Retention
from fvm_meta.retention.states import Play
from fvm_meta.stream import Envs, Policy, Snapshot


@dataclass(frozen=True, kw_only=True)
class EMConfig:
    """Settings of EM.

    Attributes:
        transitions: Env steps of the pretrained policy that are kept.
        share: Of each batch, as near as whole transitions come to it. More: what was known is kept, at the
            price of what is new. 0: plain fine-tuning.
    """

    transitions: int = 10_000
    share: float = 0.1

    def __post_init__(self) -> None:
        check_counts(self, ["transitions"])
        if not (is_number(self.share) and 0 <= self.share < 1):
            raise ValueError(f"share={self.share!r}: give a number of at least 0 and below 1")

    def make(self) -> EM:
        """Returns a fresh hook."""
        return EM(self)


class EM(Retention):
    """A protected share of the replay."""

    name = "em"
    needs: ClassVar[type[Any]] = Protecting
    ratio_every: ClassVar[int] = 0  # it has no term

    def __init__(self, config: EMConfig) -> None:
        super().__init__()
        self.config = config

    def prepare(self, learner: Any, snapshot: Snapshot | None, play: Play) -> None:
        """Plays the pretraining's tasks into the learner's replay.

        Raises:
            ValueError: `play` gives states only.
        """
        super().prepare(learner, snapshot, play)
        if not self.config.share:
            return
        step = getattr(play, "step", None)
        if step is None:
            raise ValueError(
                "retention 'em' steps the pretraining's tasks, and was given states of them alone: let "
                "play be a fvm_meta.retention.LookBack"
            )

        def protect(policy: Policy, envs: Envs, seed: int) -> None:
            learner.protect(policy, envs, self.config.transitions, self.config.share, seed)

        step(self.config.transitions, protect)
