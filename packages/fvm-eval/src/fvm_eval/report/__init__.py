"""The report: one self-contained HTML file and its figures, a pure function of a study's results."""

from fvm_eval.report.analysis import Analysis, analyse
from fvm_eval.report.page import render
from fvm_eval.results import StudyResults

__all__ = ["Analysis", "StudyResults", "analyse", "render"]
