"""The report: one self-contained HTML file and its figures, a pure function of a study's results."""

from fvm_eval.report.page import render

__all__ = ["render"]
