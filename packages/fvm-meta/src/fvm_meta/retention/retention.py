"""What keeps an old skill while a learner fine-tunes: hooks that are told what was known before.

    loss = the learner's own + sum over retentions of its term

A retention is a hook (`fvm_learners.hooks`), so any two compose, and each has its own state in the learner's,
resumed bit for bit. It never knows a learner's class: what it asks of one is a capability, `distribution`
most often: the policy's distribution over actions at given states.

    before(learner)                   the learner still has its random weights
    prepare(learner, snapshot, play)  it has the pretrained ones, or the part that is transferred
    beside(still)                     all retentions of the adaptation are prepared

`play(num)` gives states of the pretraining's own tasks, visited by the pretrained policy. All are called
again after a resume, and give the same as before: what comes from them is in no checkpoint.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from fvm_learners.config_checks import is_number
from fvm_learners.hooks import Hook
from torch import Tensor, nn

from fvm_meta.capabilities import HasDistribution, require
from fvm_meta.retention.states import Play
from fvm_meta.stream import Snapshot


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A coefficient that may fall, once an optimiser step: coef <- max(coef * decay, floor).

    Attributes:
        coef: At first. More: nearer to the pretrained agent. 0: plain fine-tuning.
        decay: Factor of a step; 1 keeps it constant.
        floor: Below which it does not fall.
    """

    coef: float
    decay: float = 1.0
    floor: float = 0.0

    def __post_init__(self) -> None:
        for name in ("coef", "floor"):
            value = getattr(self, name)
            if not (is_number(value) and value >= 0):
                raise ValueError(f"{name}={value!r}: give a finite number of at least 0")
        if not (is_number(self.decay) and 0 < self.decay <= 1):
            raise ValueError(f"decay={self.decay!r}: give a factor above 0 and up to 1")
        if self.floor > self.coef:
            raise ValueError(
                f"floor={self.floor} with coef={self.coef}: a coefficient would rise to it after a step; "
                "give a floor of at most coef"
            )


RATIO_EVERY = 50
CALIBRATION_STATES = 256
SMALLEST_TEMPERATURE = 1e-6


class Retention(Hook):
    """Base of all retentions: a schedule for its coefficient, and what it is told before training.

    Attributes:
        version: Of its results: raised when the same config gives other numbers than before.
        needs: The protocol of `fvm_meta.capabilities` that the learner must meet.
        keeps: Whether it holds on to what was pretrained; others are arms to set beside those that do.
        ratio_every: Optimiser steps between two looks at how long the term's gradient is beside that of the
            learner's own loss (`grad_ratio`): a coefficient says little without it.
        holds: Whether it never lets some parts learn.
        mixes: Whether it changes all weights before fine-tuning. The two are refused together: what is held
            still is to be what was pretrained.
        still: Parts of the network that it never lets learn, known once it is prepared.
    """

    version: ClassVar[int] = 1
    needs: ClassVar[type[Any]] = object
    keeps: ClassVar[bool] = True
    ratio_every: ClassVar[int] = RATIO_EVERY
    holds: ClassVar[bool] = False
    mixes: ClassVar[bool] = False
    still: tuple[str, ...] = ()

    def __init__(self, schedule: Schedule | None = None) -> None:
        self._schedule = schedule or Schedule(coef=0.0)
        self.coef = self._schedule.coef

    def before(self, learner: Any) -> None:
        """Sees the learner with its random weights, before any pretrained ones are put into it."""

    def prepare(self, learner: Any, snapshot: Snapshot | None, play: Play) -> None:
        """Learns what is to be kept.

        Args:
            learner: That will be fine-tuned, with what it takes over of the pretrained weights.
            snapshot: The pretrained agent; None for the learner as it is now.
            play: Gives states of the pretraining's tasks.

        Raises:
            ValueError: The learner lacks what this retention needs.
        """
        require(learner, self.needs, f"retention {self.name!r} asks its learner for `{self.needs.__name__}`")

    def beside(self, still: Collection[str]) -> None:
        """Sees which parts never learn, be it by a retention or by the transfer, once all are prepared."""

    def after_step(self) -> None:
        """Lets the coefficient fall."""
        self.coef = max(self.coef * self._schedule.decay, self._schedule.floor)

    def state_dict(self) -> dict[str, Any]:
        """Returns the coefficient and the generator."""
        return {**super().state_dict(), "coef": self.coef}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state_dict` gave."""
        super().load_state_dict(state)
        self.coef = state["coef"]


class Teacher:
    """The pretrained policy, frozen: it has the snapshot's weights, and a memory of its own.

    Args:
        learner: Whose kind of network and distribution it has; none of its parameters are shared.
        snapshot: The pretrained agent; None for the learner as it is now.
    """

    def __init__(self, learner: Any, snapshot: Snapshot | None) -> None:
        self._learner = learner
        self.network: nn.Module = deepcopy(learner.policy)
        if snapshot is not None:
            self.network.load_state_dict(snapshot.policy.weights)
        self.network.requires_grad_(False).eval()

    @torch.no_grad()
    def outputs(self, states: Any) -> tuple[Tensor, Tensor | None]:
        """Returns its distributions' parameters [..., P] at the states, and its memory after them."""
        dist, after = self._learner.distribution(self.network, states)
        return dist.params.clone(), after

    def kl(self, outputs: Tensor, student: Any) -> Tensor:
        """Returns KL(teacher || student) [...] in nats, of `outputs` and the student's distribution."""
        kl: Tensor = self._learner.distribution_from(outputs).kl(student)
        return kl


class Taught(Retention):
    """Base of those retentions that ask a teacher.

    Attributes:
        teacher: Made by `prepare`.
        learner: The one that is fine-tuned.
    """

    needs: ClassVar[type[Any]] = HasDistribution
    teacher: Teacher
    learner: Any

    def prepare(self, learner: Any, snapshot: Snapshot | None, play: Play) -> None:
        """Copies the pretrained policy."""
        super().prepare(learner, snapshot, play)
        self.learner, self.teacher = learner, Teacher(learner, snapshot)
        calibrate(learner, self.teacher, play)

    def student(self, policy: Any, states: Any) -> Any:
        """Returns the distributions of the policy in training at the states."""
        return self.learner.distribution(policy, states)[0]


def calibrate(learner: Any, teacher: Teacher, play: Play) -> None:
    """Sets the temperature of a learner that compares values, not probabilities, to the teacher's own spread.

    Its policy is the softmax of its advantages divided by tau, the standard deviation of the teacher's over
    states of the pretraining: so the scale of rewards and the offset of values do not count. Learners without
    `distribution_temperature` are left alone.
    """
    if not hasattr(learner, "distribution_temperature"):
        return
    learner.distribution_temperature = 1.0
    outputs, _ = teacher.outputs(play(getattr(learner, "calibration_states", CALIBRATION_STATES)))
    spread = float(learner.distribution_from(outputs).spread())
    learner.distribution_temperature = max(spread, SMALLEST_TEMPERATURE)
