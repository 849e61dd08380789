"""The rules of a fair adaptation study, each with one of three answers: holds, fails, cannot be checked.

A rule holds only where it was checked against what is independent of the table that it judges: the plan
(which runs, snapshots and episodes were to be), the store's ledgers (what env steps were taken, which tuning
jobs ran, which looks were reported), hashes recorded before training. Where these were not handed in, a rule
can still fail by the table alone, but it never holds.
"""

from fvm_eval.fairness.check import RULES, RUN, Check
from fvm_eval.fairness.splits import LeakAudit

__all__ = ["RULES", "RUN", "Check", "LeakAudit"]
