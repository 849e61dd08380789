"""The rules of Catch, and the best returns of its families of tasks.

A ball falls one cell a step on a board of 14 x 14 cells; a paddle on the last row moves sideways. The episode
ends when the ball reaches the paddle's row: reward 1 if the paddle is under it, else 0. An action is the
index of an effect on the paddle after a permutation that is part of the task.

`catch`, 96 tasks: effects left, stay, right in any order (6), picture upright or upside down (2), colours
(8). The colour of the paddle tells the order, so the task can be seen. Episodes have 13 steps and the paddle
covers 3
cells: every ball can be caught.

`hidden-catch`, 24 tasks: effects -2, -1, +1, +2 in any order, and all tasks look the same. The ball starts 6
columns aside and 3 rows above the paddle, which covers one cell: only three moves of 2 to its side catch it,
so that the first wrong move loses the ball. Starts keep the walls out of reach of three different moves: what
an action does is always seen. In a first trial an agent that knows the family but not the task catches 1 ball
in 4; having used that trial to try three actions, it catches every ball in the second.

`visible-catch`, the same 24 tasks with a legend: a mark for each action, in the column of its effect. Who can
read it catches every ball of the first trial, also in an order never seen before.

`one-mark-catch` and `two-mark-catch`: the same 24 tasks, of whose legend only the marks of the first one or
two actions are shown, so that 6 or 2 orders look alike. How many bits of the task are hidden is all in which
these four families differ: log2(24), log2(6), 1 and 0.

`hidden-long-catch` and `visible-long-catch`: the same two with 6 steps, a paddle of three cells and balls 4
to 6 columns aside. Who does not know the order may catch a ball by chance, so that value learners, which
explore by a single move now and then, see rewards at all.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import permutations

from fvm_envs.task import Task, TaskSet

BOARD = 14
"""Cells a side."""

Permutation = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Family:
    """What the tasks of a family share.

    Attributes:
        effects: Columns the paddle moves, for each effect.
        reach: Columns left and right of its middle that the paddle covers.
        num_steps: Steps of an episode, and rows the ball falls.
        starts: (paddle column, ball column) of an episode, all equally likely.
        num_looks: Appearances of a permutation.
        marks: Actions, the first ones, of which the picture shows what they do.
        stride: Between the lexicographic numbers of consecutive orders. At 1 all tasks of a range have the
            same first action, so that a range held out would be another population than the rest.
    """

    effects: tuple[int, ...]
    reach: int
    num_steps: int
    starts: tuple[tuple[int, int], ...]
    num_looks: int
    marks: int = 0
    stride: int = 1

    @property
    def hidden(self) -> bool:
        """Whether nothing in the picture tells the order."""
        return self.num_looks == 1 and not self.marks

    def shown(self, order: Permutation) -> Permutation:
        """What the picture tells of an order: the effects of the first actions, in a look of its own all."""
        return order if self.num_looks > 1 else order[: self.marks]

    @property
    def hidden_bits(self) -> float:
        """Bits of the order that the first picture leaves open, all orders equally likely."""
        alike = Counter(self.shown(order) for order in self.orders)
        return sum(n * math.log2(n) for n in alike.values()) / len(self.orders)

    @property
    def orders(self) -> tuple[Permutation, ...]:
        """All permutations of the effects: `orders[p][action]` is the effect of an action."""
        lexicographic = tuple(permutations(range(len(self.effects))))
        return tuple(lexicographic[i * self.stride % len(lexicographic)] for i in range(len(lexicographic)))

    @property
    def num_tasks(self) -> int:
        """Tasks in the family."""
        return len(self.orders) * self.num_looks


_FOUR_MOVES = Family(
    effects=(-2, -1, 1, 2),
    reach=0,
    num_steps=3,
    starts=tuple((paddle, paddle + 6) for paddle in range(3, 8))
    + tuple((paddle, paddle - 6) for paddle in range(6, 11)),
    num_looks=1,
    stride=5,
)
_LONG = replace(
    _FOUR_MOVES,
    reach=1,
    num_steps=6,
    starts=tuple(
        (paddle, paddle + side * aside)
        for paddle in range(4, 10)
        for side in (-1, 1)
        for aside in (4, 5, 6)
        if 0 <= paddle + side * aside < BOARD
    ),
)
FAMILIES = {
    "catch": Family(
        effects=(-1, 0, 1),
        reach=1,
        num_steps=BOARD - 1,
        starts=tuple((paddle, ball) for paddle in range(1, BOARD - 1) for ball in range(BOARD)),
        num_looks=16,
    ),
    "hidden-catch": _FOUR_MOVES,
    "one-mark-catch": replace(_FOUR_MOVES, marks=1),
    "two-mark-catch": replace(_FOUR_MOVES, marks=2),
    "visible-catch": replace(_FOUR_MOVES, marks=4),
    "hidden-long-catch": _LONG,
    "visible-long-catch": replace(_LONG, marks=4),
}


def family_of(task: Task) -> Family:
    """The family of a toy task.

    Raises:
        ValueError: If it is no toy task, or its family has no such level.
    """
    family = FAMILIES.get(task.name) if task.benchmark == "toy" else None
    if family is None:
        raise ValueError(f"{task.id} is no toy task: expected toy/<family>/<k> with {' or '.join(FAMILIES)}")
    if task.level is None or task.level >= family.num_tasks:
        raise ValueError(
            f"{task.id} does not exist: toy/{task.name} has the tasks 0 to {family.num_tasks - 1}"
        )
    return family


def order_of(task: Task) -> Permutation:
    """The effect of each action in a task: `family.effects[order[action]]` columns."""
    orders = family_of(task).orders
    return orders[(task.level or 0) % len(orders)]


def move(family: Family, paddle: int, effect: int) -> int:
    """The paddle's column after an effect; walls stop it."""
    return min(max(paddle + family.effects[effect], family.reach), BOARD - 1 - family.reach)


def best_return(task: Task) -> float:
    """The expected return of the best player who knows the task."""
    return float(_value_of(task.name, (order_of(task),)))


def best_first_trial_return(tasks: TaskSet) -> float:
    """The expected return of the best player's first episode in a task drawn uniformly from `tasks`.

    The player knows `tasks`, not which one was drawn. By dynamic programming over the set of permutations
    that agree with what was seen, the first frame included: where it shows the whole task the permutation is
    known from then on.

    Raises:
        ValueError: If the tasks are none, or of several families.
    """
    return float(_mean_over_tasks(tasks, second=False))


def best_second_trial_return(tasks: TaskSet) -> float:
    """The same for a second episode in that task, after a first one that only served to learn about it.

    Where the first trial cannot reveal everything this is the best over all ways of exploring in it.
    """
    return float(_mean_over_tasks(tasks, second=True))


def _mean_over_tasks(tasks: TaskSet, *, second: bool) -> Fraction:
    names = {task.name for task in tasks}
    if len(names) != 1:
        raise ValueError(f"the tasks are of the families {sorted(names)}: give tasks of exactly one")
    name = names.pop()
    family, alike = FAMILIES[name], dict[Permutation, list[Permutation]]()
    for order in sorted(order_of(task) for task in tasks):
        alike.setdefault(family.shown(order), []).append(order)
    value = _second_value if second else _value_of
    total = Fraction(0)
    for orders in alike.values():
        belief = tuple(orders) if len(set(orders)) > 1 else (orders[0],)  # looks differ, not what they play
        total += len(orders) * value(name, belief)
    return total / len(tasks)


def _mean(values: Iterable[Fraction]) -> Fraction:
    listed = list(values)
    return sum(listed, Fraction(0)) / len(listed)


@lru_cache(maxsize=4096)
def _value_of(name: str, belief: tuple[Permutation, ...]) -> Fraction:
    family = FAMILIES[name]
    return _mean(_play(name, *start, family.num_steps, belief) for start in family.starts)


@lru_cache(maxsize=2**18)
def _play(name: str, paddle: int, ball: int, steps_left: int, belief: tuple[Permutation, ...]) -> Fraction:
    """The best probability of catching a ball under a uniform belief over permutations."""
    family = FAMILIES[name]
    if steps_left == 0:
        return Fraction(abs(paddle - ball) <= family.reach)
    if abs(paddle - ball) > family.reach + steps_left * max(family.effects):
        return Fraction(0)
    return max(
        sum(
            (
                Fraction(len(part), len(belief)) * _play(name, column, ball, steps_left - 1, part)
                for column, part in _outcomes(family, paddle, action, belief)
            ),
            Fraction(0),
        )
        for action in range(len(family.effects))
    )


def _second_value(name: str, belief: tuple[Permutation, ...]) -> Fraction:
    family = FAMILIES[name]
    return _mean(_explore(name, paddle, family.num_steps, belief) for paddle, _ in family.starts)


@lru_cache(maxsize=2**18)
def _explore(name: str, paddle: int, steps_left: int, belief: tuple[Permutation, ...]) -> Fraction:
    """The best value of the next trial when this one only serves to learn about the task."""
    family = FAMILIES[name]
    if steps_left == 0 or len(belief) == 1:
        return _value_of(name, belief)
    return max(
        sum(
            (
                Fraction(len(part), len(belief)) * _explore(name, column, steps_left - 1, part)
                for column, part in _outcomes(family, paddle, action, belief)
            ),
            Fraction(0),
        )
        for action in range(len(family.effects))
    )


def _outcomes(
    family: Family, paddle: int, action: int, belief: tuple[Permutation, ...]
) -> list[tuple[int, tuple[Permutation, ...]]]:
    """Where the paddle may be seen after an action, and the permutations that agree with each."""
    parts: dict[int, list[Permutation]] = {}
    for order in belief:
        parts.setdefault(move(family, paddle, order[action]), []).append(order)
    return [(column, tuple(part)) for column, part in parts.items()]
