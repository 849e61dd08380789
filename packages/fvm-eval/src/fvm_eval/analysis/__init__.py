"""From a study's tables to all numbers of its report: `analyse(StudyResults(...))`.

Files, pages and pictures are `fvm_eval.report`'s.
"""

from fvm_eval.analysis.study_analysis import Analysis, analyse
from fvm_eval.analysis.study_results import StudyResults

__all__ = ["Analysis", "StudyResults", "analyse"]
