"""What happens in a study's folder, whoever makes it happen: what the driver and `study status` look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from study.engines.schedule import Event
from study.folder.job_record import short
from study.folder.store import Store
from study.folder.under_way import UnderWay
from study.plan import Job


class Watch:
    """Turns looks at a folder into events.

    Attributes:
        left: Jobs that are neither finished nor failed, nor wait for one that failed, by the first part of
            their keys.
    """

    def __init__(self, jobs: Sequence[Job], store: Store, under_way: UnderWay) -> None:
        self.store, self.under_way = store, under_way
        self._children: dict[str, list[Job]] = {}
        for job in jobs:
            if job.parent is not None:
                self._children.setdefault(short(job.parent.key), []).append(job)
        done = store.finished()
        self.left = {short(job.key): job for job in jobs if short(job.key) not in done}
        for job in jobs:  # nobody here makes their parents
            if job.parent is not None and short(job.parent.key) not in {*self.left, *done}:
                self.left.pop(short(job.key), None)
        self.running: dict[str, float] = {}  # by key, when its last note on progress was made
        self._silent: set[str] = set()

    def look(self, ended: dict[str, str] | None = None) -> list[Event]:
        """Returns what has happened since the last look; `ended` says how the workers of jobs ended."""
        ended = ended or {}
        held = self.under_way.held()  # first: a job in hand is then finished or not
        done, failures = self.store.finished(), self.under_way.failures()
        events: list[Event] = []
        for key in self._in_order(done):
            if key not in self.running:
                events.append(Event(what="started", job=self.left[key]))
            events.append(Event(what="finished", job=self.left.pop(key)))
            self.running.pop(key, None)
        for key in self._in_order(failures):
            failure, job = failures[key], self.left[key]
            message = f"{failure.message}: the last {ended[key]}" if key in ended else failure.message
            events.append(Event(what="failed", job=job, message=message, mendable=failure.mendable))
            self._drop(key)
        for key in self._in_order(held):
            if key not in self.running:
                self.running[key] = 0.0
                events.append(Event(what="started", job=self.left[key]))
            self._silent.discard(key)
            if (told := self.under_way.told(self.left[key].key)) and told[1] != self.running[key]:
                note, self.running[key] = told
                doing, part = str(note.get("doing", "")), note.get("part", 0.0)
                event = Event(
                    what="progress",
                    job=self.left[key],
                    env_step=note["env_step"],
                    metrics=note["metrics"],
                    doing=doing,
                    part=part if isinstance(part, int | float) else 0.0,
                )
                events.append(event)
        for key in [key for key in self.running if key not in held]:
            if key in ended or key in self._silent:  # a shared folder may show things late: look twice
                message = f"its process {ended.get(key, 'is gone, or handed it over')}"
                events.append(Event(what="lost", job=self.left[key], message=message))
                del self.running[key]
                self._silent.discard(key)
            else:
                self._silent.add(key)
        return events

    def _in_order(self, keys: Iterable[str]) -> list[str]:
        found = {key for key in keys if key in self.left}
        return [key for key in self.left if key in found] if found else []

    def _drop(self, key: str) -> None:
        self.left.pop(key, None)
        self.running.pop(key, None)
        for child in self._children.get(key, []):
            self._drop(short(child.key))
