"""Paradigms: how knowledge gets from training tasks to a new one. Start with `paradigm.py`."""

from fvm_meta.multitask import MultiTask
from fvm_meta.paradigm import Budget, Learner, Ledger, Paradigm, Policy, Snapshot, State, train
from fvm_meta.scratch import Scratch

__all__ = [
    "Budget",
    "Learner",
    "Ledger",
    "MultiTask",
    "Paradigm",
    "Policy",
    "Scratch",
    "Snapshot",
    "State",
    "train",
]
