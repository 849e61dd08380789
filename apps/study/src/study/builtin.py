"""Registers what fvm brings, in the order in which it is shown."""

from __future__ import annotations

from study.measures import MEASURES
from study.registry import register

register(*MEASURES)
