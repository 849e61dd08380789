"""The report's figures, each a function of the analysis and of whether the page is narrow."""

from fvm_eval.report.figures.curves import adaptation, online, pretraining
from fvm_eval.report.figures.differences import differences, margin
from fvm_eval.report.figures.panels import Draw
from fvm_eval.report.figures.profiles import profiles
from fvm_eval.report.figures.schedules import schedules
from fvm_eval.report.figures.tasks import by_task
from fvm_eval.report.figures.training_sizes import zero_shot
from fvm_eval.report.figures.trials import by_trial

__all__ = [
    "Draw",
    "adaptation",
    "by_task",
    "by_trial",
    "differences",
    "margin",
    "online",
    "pretraining",
    "profiles",
    "schedules",
    "zero_shot",
]
