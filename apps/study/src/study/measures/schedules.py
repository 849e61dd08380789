"""The step sizes of methods that move their weights towards what was learned on a task, as Reptile does."""

from __future__ import annotations

from study.registry import Findings, Finished, Measure


def findings(finished: Finished) -> Findings:
    """Returns the step size of each such method, from the start to the end of its pretraining."""
    schedules = {
        job.method: tuple(job.parent.spec["config"]["eps_schedule"])
        for job in finished.adaptations
        if job.parent and "eps_schedule" in job.parent.spec.get("config", {})
    }
    return Findings(shown={"eps_schedules": schedules})


SCHEDULES = Measure(name="schedules", findings=findings)
