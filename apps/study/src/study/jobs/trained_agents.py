"""The agents that a study has trained: which there are, and one of them as an object to take away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fvm_learners import Agent

from study import plugins
from study.errors import StudyError
from study.folder.files import is_folder
from study.folder.plan_file import PLAN, read_plan
from study.folder.store import Store
from study.jobs.agents import restored
from study.machine.devices import choose_device
from study.methods import Row
from study.plan import Job


@dataclass(frozen=True, kw_only=True)
class TrainedAgent:
    """A finished training of a study.

    Attributes:
        job: What trained it.
        methods: The study's methods that it is an agent of; a pretraining may be that of several.
        task: Id of the task it has adapted to; empty for a pretrained one.
    """

    job: Job
    methods: tuple[str, ...]
    task: str = ""

    @property
    def is_adapted(self) -> bool:
        """Whether it has adapted to a task."""
        return bool(self.task)

    def __str__(self) -> str:
        """What tells it from the others, as in "multitask seed 0, adapted to toy/catch/84"."""
        where = f"adapted to {self.task}" if self.task else "pretrained"
        return f"{', '.join(self.methods)} seed {self.job.seed}, {where} (checkpoint {self.job.checkpoint})"


def trained_agents(folder: str | Path) -> list[TrainedAgent]:
    """Returns the agents of a study's finished trainings, in the order of its plan.

    Raises:
        StudyError: The folder holds no study.
    """
    root = Path(folder).expanduser()
    if not (root / PLAN).is_file():
        raise StudyError(f"{folder} holds no study: give the folder that a study had as its --output")
    jobs, store = read_plan(root).jobs, Store(root)
    users: dict[str, dict[str, None]] = {}
    for job in jobs:
        if job.kind == "adapt" and job.parent is not None:
            users.setdefault(job.parent.key, {})[Row.parse(job.method).pretraining] = None
    finished = store.finished()
    trained = [job for job in jobs if job.kind in ("pretrain", "adapt") and job.key[:16] in finished]
    return [
        TrainedAgent(
            job=job,
            methods=tuple(users.get(job.key, {job.method: None})),
            task=str(job.spec.get("task", "")),
        )
        for job in trained
    ]


def chosen(
    agents: Sequence[TrainedAgent],
    method: str | None = None,
    seed: int | None = None,
    task: str | None = None,
    checkpoint: str | None = None,
) -> list[TrainedAgent]:
    """Returns the agents that are meant.

    Args:
        agents: To choose from.
        method: As the study's tables name it.
        seed: Of its pretraining, or of a method without one.
        task: That it has adapted to: its id, or the last part of it; empty for the pretrained ones.
        checkpoint: Name of the pretraining, where one seed has several.
    """
    return [
        agent
        for agent in agents
        if (method is None or method in agent.methods)
        and (seed is None or seed == agent.job.seed)
        and (task is None or task in {agent.task, agent.task.rpartition("/")[2]})
        and (checkpoint is None or checkpoint == agent.job.checkpoint)
    ]


def load_agent(
    folder: str | Path,
    method: str,
    seed: int = 0,
    *,
    task: str | int | None = None,
    checkpoint: str | None = None,
    device: str = "cpu",
    plugin: Sequence[str] = (),
) -> Agent:
    """Returns an agent that a study has trained, with its memory or its latent: it acts and saves itself.

    Args:
        folder: The study's output folder.
        method: As the study's tables name it.
        seed: Of its pretraining.
        task: That it has adapted to; None for the pretrained agent that a method begins with.
        checkpoint: Name of the pretraining, where one seed has several.
        device: Where it computes.
        plugin: Plug-ins that the study uses.

    Raises:
        StudyError: There is no such agent, or several, or a file of it is damaged.
    """
    plugins.load(plugin)
    agents = trained_agents(folder)
    asked = "" if task is None else str(task)
    return agent_of(only(chosen(agents, method, seed, asked, checkpoint), agents, folder), folder, device)


def only(found: Sequence[TrainedAgent], agents: Sequence[TrainedAgent], folder: str | Path) -> TrainedAgent:
    """Returns the one agent that was found.

    Raises:
        StudyError: There is none, or there are several.
    """
    if len(found) == 1:
        return found[0]
    listed = "; ".join(map(str, (found or agents)[:8])) or "no training has finished"
    more = f"; and {len(found or agents) - 8} more" if len(found or agents) > 8 else ""
    wrong = f"{len(found)} agents are meant" if found else "there is no such agent"
    raise StudyError(
        f"{folder}: {wrong}; give a method, a seed, a task or a checkpoint that one alone has of "
        f"{listed}{more}"
    )


def agent_of(trained: TrainedAgent, folder: str | Path, device: str = "cpu") -> Agent:
    """Returns a finished training's agent.

    Raises:
        StudyError: Its weights are damaged or not there, or it is of a plug-in that is not loaded.
    """
    root, job = Path(folder).expanduser(), trained.job
    if not is_folder(root / "jobs"):
        raise StudyError(f"{root} holds no finished jobs; name a study's output folder")
    try:
        return restored(job, Store(root), choose_device(device))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise StudyError(
            f"{job.title}: its agent cannot be built from its record ({type(error).__name__}: {error}); name "
            "the study's plug-ins, or run the study's own command again"
        ) from error
