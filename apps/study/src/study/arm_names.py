"""What the arms of summaries are called: a method, and where, when or with what it is seen."""

from __future__ import annotations

# Names of arms, for `str.format` here and `polars.format` over a table's columns.
RANDOM_ARM = "random play, {}"  # on the training tasks of a method
TRIAL_ARM, TASK_ARM, MOMENT_ARM, LATENT_ARM = "{} trial {}", "{} on {}", "{} at {}", "{}, z {}"


def trial(method: str, number: int) -> str:
    """Returns the arm of a method's n-th trial."""
    return TRIAL_ARM.format(method, number)


def on_task(method: str, task: str) -> str:
    """Returns the arm of a method's runs on one task."""
    return TASK_ARM.format(method, task)


def moment(method: str, when: str) -> str:
    """Returns the arm of a method before adaptation, "0", or after it, "the budget"."""
    return MOMENT_ARM.format(method, when)


def first(method: str, area: str) -> str:
    """Returns the arm of a method in the order in which an agent meets "CLOSE" or "FAR" first."""
    return f"{method}, {area} first"


def with_latent(method: str, latent: str) -> str:
    """Returns the arm of PEARL when it plays with a latent: "inferred", "another task's" or "zero"."""
    return LATENT_ARM.format(method, latent)
