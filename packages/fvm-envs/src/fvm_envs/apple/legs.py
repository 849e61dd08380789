"""The rules of AppleRetrieval (Wolczyk et al. 2024, arXiv 2402.02868, appendix A.2).

A task is a walk of one or two legs of M cells each, and M its level. On the way *out*, from home to the
apple, an agent sees o = -c and ought to step to the right; on the way *back*, with the apple, it sees o = +c
and ought to step to the left. It sees no position. A step in the right direction is worth +1, another -1, and
nobody gets back beyond where a leg begins. When the last leg is done nothing is worth anything until the
episode's time is up, which is the same for REINFORCE as an episode that ends there: the rewards to go are 0.

    apple/out-and-back/M   the task: the way out is CLOSE, the way back FAR
    apple/back/M           what an agent is pretrained on: it begins at the apple
    apple/back-and-out/M   the control in which what is known comes first
    apple/wrong-back/M     the way back with its rewards turned round: it makes a bad teacher

c is what the two ways share. An agent whose policy is logistic in (o, 1) learns w = c b on the way back, and
is then wrong on the way out by as much as it is right there, weighted with 1 - c^2: at c = 1 not at all.
"""

from __future__ import annotations

from dataclasses import dataclass

from fvm_envs.task import Task


@dataclass(frozen=True, kw_only=True)
class Leg:
    """A part of a walk.

    Attributes:
        sign: Of what is seen, o = sign * c.
        right: The action that is rewarded: 0 is a step to the left, 1 to the right.
        ends: Whether there is an end to it, M rewarded steps away.
        far: Whether it is what a pretrained agent knows.
    """

    sign: int
    right: int
    ends: bool = True
    far: bool = False


OUT = Leg(sign=-1, right=1)
BACK = Leg(sign=1, right=0, far=True)
WRONG_BACK = Leg(sign=1, right=1, ends=False, far=True)
TASKS: dict[str, tuple[Leg, ...]] = {
    "out-and-back": (OUT, BACK),
    "back-and-out": (BACK, OUT),
    "back": (BACK,),
    "wrong-back": (WRONG_BACK,),
}


def legs_of(task: Task) -> tuple[tuple[Leg, ...], int]:
    """Returns the legs of a task, and M, the cells of each.

    Raises:
        ValueError: There is no such task.
    """
    if task.benchmark != "apple" or not task.level or task.name not in TASKS or task.level > 10**6:
        names = ", ".join(f"apple/{name}/M" for name in TASKS)
        raise ValueError(
            f"{task.id} is no task of AppleRetrieval: the tasks are {names}, with M from 1 to a million cells"
        )
    return TASKS[task.name], task.level
