"""AppleRetrieval (Wolczyk et al. 2024, arXiv 2402.02868, appendix A.2), all seeds of an arm at once.

An agent walks a line from home (0) to an apple (M), and back home with it; it sees o = -c on its way out and
o = +c on its way back, with no position. A step in the right direction is worth +1, another -1; the episode
ends at home with the apple, or after T steps.

    pi(right | o) = sigmoid(w o + b);  REINFORCE, one episode an update:
    theta <- theta + lr (sum_t G_t grad log pi(a_t | o_t) - coef grad retention(theta)),  G_t: rewards to go

It is pretrained on the way back alone (FAR), which makes w = c b: then out, on the states that it meets first
(CLOSE), it goes the wrong way by as much as it is right to turn back, weighted with 1 - c^2, the interference
of the two. c = 1: none. c < 1: learning to go out unlearns the way back, the more so the longer the way (M).

What the appendix leaves open is as in the prototype of this project's specification: plain gradient steps, no
discount, no baseline, w = b = 0 before pretraining, x kept within [0, M]. Retention terms are those of
`fvm_meta.retention`, here by their gradients in closed form; the Fisher is not normalised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from fvm_learners.config_checks import check_above_zero, check_counts, check_not_negative, is_number
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

RETENTIONS = ("none", "bc", "ks", "ewc", "ewc-full", "l2")


@dataclass(frozen=True, kw_only=True)
class Apple:
    """The world, and how REINFORCE learns in it.

    Attributes:
        distance: M, cells from home to the apple. More: longer before the way back is met at all.
        feature: c, what is seen. Below 1, the two ways interfere; at 1 they do not.
        max_steps: T, of an episode.
        learning_rate: Of a sum over an episode's steps, so it is small.
        pretrain_episodes: On the way back alone.
        episodes: Of fine-tuning.
    """

    distance: int = 30
    feature: float = 0.25
    max_steps: int = 100
    learning_rate: float = 1e-3
    pretrain_episodes: int = 1500
    episodes: int = 2000

    def __post_init__(self) -> None:
        check_counts(self, ("distance", "max_steps", "pretrain_episodes", "episodes"))
        check_above_zero(self, ("feature", "learning_rate"))
        if 2 * self.distance > self.max_steps:
            raise ValueError(
                f"distance={self.distance} there and back needs {2 * self.distance} steps, an episode has "
                f"max_steps={self.max_steps}: give more of them or a shorter way"
            )

    @property
    def observations(self) -> Array:
        """What the policy sees [2, 2]: (o, 1) on the way out, and on the way back."""
        return np.array([[-self.feature, 1.0], [self.feature, 1.0]])


@dataclass(frozen=True, kw_only=True)
class Arm:
    """How an agent is fine-tuned.

    Attributes:
        name: For tables.
        retention: Its term, or "none".
        coef: Of the term.
        decay: By which `coef` is multiplied after each episode.
        pretrained: Whether it starts from the pretrained weights, or from zeros.
        teacher: "good" is the pretrained agent; "bad" is as sure of the wrong way with the apple as the good
            one is of the right one.
        known_first: Whether an episode begins with what is known, the way back: then no gap is left.
    """

    name: str
    retention: Literal["none", "bc", "ks", "ewc", "ewc-full", "l2"] = "none"
    coef: float = 0.0
    decay: float = 1.0
    pretrained: bool = True
    teacher: Literal["good", "bad"] = "good"
    known_first: bool = False

    def __post_init__(self) -> None:
        if self.retention not in RETENTIONS:
            raise ValueError(f"retention={self.retention!r}: give one of {', '.join(RETENTIONS)}")
        check_not_negative(self, ["coef"])
        if not (is_number(self.decay) and 0 < self.decay <= 1):
            raise ValueError(f"decay={self.decay!r}: give a factor above 0 and up to 1")


@dataclass(frozen=True)
class Curves:
    """What an arm's seeds did in each episode, [S, episodes], before the update that follows it.

    Attributes:
        success: Whether the apple was brought home (known_first: whether it was reached).
        reached: Whether the second of the two ways was reached.
        back: Probability of the right step on the way back (FAR).
        out: Probability of the right step on the way out (CLOSE).
    """

    success: Mask
    reached: Mask
    back: Array
    out: Array

    @property
    def auc(self) -> Array:
        """Mean success over training [S]."""
        return np.asarray(self.success.mean(axis=1), dtype=np.float64)

    @property
    def least_back(self) -> Array:
        """Least probability of the right step on the way back [S]."""
        return np.asarray(self.back.min(axis=1), dtype=np.float64)


def sigmoid(logit: Array) -> Array:
    """Returns 1 / (1 + exp(-logit)) [...], without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logit)))


@dataclass(frozen=True)
class Walks:
    """Episodes of S seeds.

    Attributes:
        gradient: [S, W] sum over steps of G_t d log pi(right step or not) / d logit, on each way.
        steps: [S, W] steps on each way.
        arrived: [S, W] each way was walked to its end.
    """

    gradient: Array
    steps: NDArray[np.int64]
    arrived: Mask


def walk(right: Array, uniform: Array, distance: int) -> Walks:
    """Returns the episodes of agents that take the right step with probability `right`.

    Args:
        right: [S, W] on each of the ways of an episode, in the order in which they are walked.
        uniform: [S, T] in [0, 1), one draw a step.
        distance: Cells of each way; a walk does not go back beyond its beginning.
    """
    hits = uniform[:, None] < right[:, :, None]  # [S, W, T]
    step = np.arange(uniform.shape[1])
    on, arrived = np.zeros_like(hits), np.zeros(right.shape, np.bool_)
    begin = np.zeros(len(right), np.int64)
    for way in range(right.shape[1]):
        end, arrived[:, way] = _arrival(hits[:, way], begin, distance)
        on[:, way] = (step >= begin[:, None]) & (step < end[:, None])
        begin = end
    reward = np.where(on, 2.0 * hits - 1.0, 0.0)
    to_go = np.cumsum(reward.sum(axis=1)[:, ::-1], axis=1)[:, ::-1]  # [S, T]
    score = np.where(on, hits - right[:, :, None], 0.0)
    return Walks((to_go[:, None] * score).sum(axis=2), on.sum(axis=2), arrived)


def _arrival(hits: Mask, begin: NDArray[np.int64], distance: int) -> tuple[NDArray[np.int64], Mask]:
    """Returns one past the step [S] at which a way that begins at step `begin` ends, and whether it does."""
    going = np.arange(hits.shape[1]) >= begin[:, None]
    free = np.cumsum(np.where(going, 2 * hits - 1, 0), axis=1)
    place = free - np.minimum(np.minimum.accumulate(free, axis=1), 0)  # a wall where the way begins
    there = place >= distance
    arrived: Mask = np.any(there, axis=1)
    return np.where(arrived, there.argmax(axis=1) + 1, hits.shape[1]), arrived


def pretrain(world: Apple, seeds: int, rng: np.random.Generator) -> Array:
    """Returns the weights (w, b) [S, 2] of agents that learned the way back alone."""
    theta, seen = np.zeros((seeds, 2)), world.observations[1]
    for _ in range(world.pretrain_episodes):
        right = sigmoid(-theta @ seen)  # on the way back the right step is to the left
        walked = walk(right[:, None], _draws(world, seeds, rng), world.distance)
        theta -= world.learning_rate * walked.gradient * seen
    return theta


def _draws(world: Apple, seeds: int, rng: np.random.Generator) -> Array:
    return rng.random((seeds, world.max_steps))


def fine_tune(world: Apple, arm: Arm, pretrained: Array, rng: np.random.Generator) -> Curves:
    """Returns the curves of an arm's seeds; those of `pretrained` [S, 2] are its rows."""
    theta = pretrained.copy() if arm.pretrained else np.zeros_like(pretrained)
    teacher = pretrained if arm.teacher == "good" else -pretrained
    seen, coef = world.observations, arm.coef
    sign = np.array([1.0, -1.0])  # on the way out the right step is to the right, on the way back to the left
    order = np.array([1, 0] if arm.known_first else [0, 1])
    record: list[tuple[Mask, Mask, Array]] = []
    for _ in range(world.episodes):
        right = sigmoid(theta @ seen.T * sign)  # [S, 2], by way
        walked = walk(right[:, order], _draws(world, len(theta), rng), world.distance)
        record.append((walked.arrived[:, 1], walked.arrived[:, 0], right))
        gradient = (walked.gradient[:, order] * sign) @ seen
        theta = theta + world.learning_rate * (
            gradient - coef * retention_gradient(arm.retention, world, theta, teacher, walked.steps[:, order])
        )
        coef *= arm.decay
    solved, reached, rights = (np.stack(column, axis=1) for column in zip(*record, strict=True))
    return Curves(solved, reached, back=rights[:, :, 1], out=rights[:, :, 0])


def retention_gradient(
    kind: str, world: Apple, theta: Array, teacher: Array, steps: NDArray[np.int64]
) -> Array:
    """Returns the gradient [S, 2] of a retention term at theta.

        bc:        KL(teacher || pi) on the way back, the states of pretraining
        ks:        KL(teacher || pi), mean over the episode's own steps
        ewc:       sum_i F_i (theta_i - teacher_i)^2, F the Fisher's diagonal on the way back
        ewc-full:  (theta - teacher)^T F (theta - teacher)
        l2:        |theta - teacher|^2

    Args:
        kind: One of `RETENTIONS`.
        world: What is seen.
        theta: [S, 2].
        teacher: [S, 2].
        steps: [S, 2] of the episode on the way out and on the way back.
    """
    seen, change = world.observations, theta - teacher
    if kind in ("bc", "ks"):
        # d KL(p* || p) / d logit = p - p*
        differences = sigmoid(theta @ seen.T) - sigmoid(teacher @ seen.T)
        weight = np.array([[0.0, 1.0]]) if kind == "bc" else steps / steps.sum(axis=1, keepdims=True)
        return np.asarray((weight * differences) @ seen)
    if kind in ("ewc", "ewc-full"):
        back = sigmoid(teacher @ seen[1])
        variance = (back * (1 - back))[:, None]
        if kind == "ewc":
            return np.asarray(2 * variance * seen[1] ** 2 * change)
        return np.asarray(2 * variance * (change @ seen[1])[:, None] * seen[1])
    return 2 * change if kind == "l2" else np.zeros_like(theta)
