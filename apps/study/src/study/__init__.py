"""Compare ways of adapting an RL agent to a new task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from study.jobs.trained_agents import load_agent

__all__ = ["load_agent"]


def __getattr__(name: str) -> Any:
    """Returns what is imported when it is first asked for: the command line need not wait for torch."""
    if name in __all__:
        from study.jobs import trained_agents

        return getattr(trained_agents, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
