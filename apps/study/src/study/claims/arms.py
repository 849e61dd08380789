"""What claims are about: the summaries beside those of the adaptation curves, their arms, preconditions."""

from __future__ import annotations

from study.methods import counted, pretraining_of

TRIALS = "Return by trial"
CONTROL = "Return by trial on the control family"
SECONDS_TO_SCORE = "Log device seconds to scratch's final score"
BY_TASK = "Value at budget by task"
BY_MOMENT = "Value before and after adaptation"
BY_LATENT = "Value at budget by latent"
TRIAL_MARGIN = 0.05  # of the score range
# Names of arms, for `str.format` here and `polars.format` over a table's columns.
TRIAL_ARM, TASK_ARM, MOMENT_ARM, LATENT_ARM = "{} trial {}", "{} on {}", "{} at {}", "{}, z {}"


def trial(method: str, number: int) -> str:
    """Returns the arm of a method's n-th trial."""
    return TRIAL_ARM.format(method, number)


def learned(method: str, unit: str = "level") -> str:
    """Returns the name of the precondition that a pretraining learned."""
    name, _, size = method.partition("@")
    on = f" on {counted(int(size), unit)}" if size else ""
    return f"{pretraining_of(name).label}{on} beats random play on its training {unit}s before adapting"


def spoken(method: str, unit: str = "level") -> str:
    """Returns the name of the precondition that a method's posteriors say something of the task."""
    name, _, size = method.partition("@")
    on = f" on {counted(int(size), unit)}" if size else ""
    return f"{pretraining_of(name).label}{on}: no pretraining's posterior has collapsed to the prior"


def on_task(method: str, task: str) -> str:
    """Returns the arm of a method's runs on one task."""
    return TASK_ARM.format(method, task)


def moment(method: str, when: str) -> str:
    """Returns the arm of a method before adaptation, "0", or after it, "the budget"."""
    return MOMENT_ARM.format(method, when)


def with_latent(method: str, latent: str) -> str:
    """Returns the arm of PEARL when it plays with a latent: "inferred", "another task's" or "zero"."""
    return LATENT_ARM.format(method, latent)
