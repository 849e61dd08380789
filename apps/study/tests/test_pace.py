"""The running estimate, held against the records of studies that ran.

A record has for each job of a study, in the plan's order, the CPU seconds that it trained and that its agent
was played: what it takes on a quiet core. It runs again in time that is made up, by the study's own schedule.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from study.engines import Schedule
from study.estimates.pace import Pace, position, whole
from study.folder.job_record import short
from study.folder.store import Store
from study.methods import Method
from study.plan import Job

RECORDS = Path(__file__).parent / "records"
STEP_S = 0.5


@dataclass
class Recorded:
    """A job and the seconds that it took."""

    job: Job
    train_s: float
    play_s: float


@dataclass
class Working:
    """A job that a worker has in hand, after so many seconds of it."""

    recorded: Recorded
    spent_s: float = 0.0

    def where(self) -> tuple[int, str, float] | None:
        """Returns env step, what it does and the part of that; None once it is over."""
        job, left = self.recorded.job, self.spent_s
        trained, plays = whole(job)
        at = job.spec["at"] or ([0] if not trained else [])
        each_s, before = self.recorded.play_s / max(plays, 1), 0
        for step in [*at, int(trained)]:
            train_s = self.recorded.train_s * (step - before) / trained if trained else 0.0
            if left < train_s:
                return before + int((step - before) * left / train_s), "", 0.0
            left, before = left - train_s, step
            if step not in at:
                continue
            if left < each_s:
                return step, "evaluating", left / each_s
            left -= each_s
            at = [later for later in at if later > step]
        return None


def read(name: str) -> list[Recorded]:
    """Returns the jobs of a record."""
    parents: dict[tuple[str, str], Job] = {}
    found = []
    with (RECORDS / f"{name}.csv").open() as file:
        for number, row in enumerate(csv.DictReader(file)):
            spec = {"number": number, "at": [], "measure": str(number % 2)}
            steps, plays = int(row["env_steps"]), int(row["plays"])
            if row["kind"] == "adapt":
                spec["at"] = [steps * i // (plays - 1) for i in range(plays)]
                method = Method.parse(row["method"])
                spec |= {"paradigm": method.kind.name, "adaptation": method.way.name}
            if steps:
                spec["phase"] = {"env_steps": steps}
            own = {"kind": row["kind"], "method": row["method"], "seed": int(row["seed"])}
            parent = parents.get((row["parent"], row["seed"]))
            job = Job(**own, spec=spec, fold=0, parent=parent)
            if job.kind == "pretrain":
                parents[job.method, row["seed"]] = job
            found.append(Recorded(job, float(row["train_s"]), float(row["play_s"])))
    return found


def replayed(
    jobs: list[Recorded],
    store: Store,
    pace: Pace,
    speed: Callable[[float], float],
    workers: int = 2,
    stops: Sequence[float] = (),
) -> Iterator[float]:
    """Yields the time twice a second while workers of some speed do the jobs, and tell the pace.

    At each of the times `stops` all of it stands still for twenty minutes.
    """
    (store.root / "jobs").mkdir()
    schedule = Schedule([one.job for one in jobs], store)
    by_key = {one.job.key: one for one in jobs}
    hands: list[Working | None] = [None] * workers
    now = 0.0
    while pace.left:
        for i, working in enumerate(hands):
            if working is None and (job := schedule.next()) is not None:
                hands[i] = Working(by_key[job.key])
                pace.begin(job, now)
        now += 1200.0 if now in stops else STEP_S
        pace.at(now)
        for i, working in enumerate(hands):
            if working is None:
                continue
            working.spent_s += STEP_S * speed(now)
            job = working.recorded.job
            if (where := working.where()) is not None:
                pace.move(job, *where, now)
                continue
            pace.finish(job, now)
            (store.root / "jobs" / short(job.key)).mkdir()
            hands[i] = None
        yield now


@pytest.mark.parametrize("name", ["procgen-small", "procgen-quick", "atari-small"])
def test_from_a_tenth_of_the_way_on_the_estimate_is_within_a_fifth(name: str, tmp_path: Path) -> None:
    jobs = read(name)
    pace, said = Pace({one.job.key: one.job for one in jobs}), []
    for now in replayed(jobs, Store(tmp_path), pace, lambda now: 1.0):
        said.append((now, pace.left_s(now) if int(now / STEP_S) % 20 == 0 else None))
    end = said[-1][0]
    errors = {now / end: (now + left) / end for now, left in said if left is not None and now >= 0.1 * end}
    assert len(errors) > 20
    assert {part: error for part, error in errors.items() if abs(error - 1.0) > 0.2} == {}


@pytest.mark.parametrize("slower", [2.0, 0.5])
def test_a_minute_after_the_machine_changes_its_speed_the_estimate_has_followed(
    slower: float, tmp_path: Path
) -> None:
    jobs = read("procgen-small")
    pace, said, at = Pace({one.job.key: one.job for one in jobs}), {}, 1500.0
    for now in replayed(jobs, Store(tmp_path), pace, lambda now: 1.0 if now < at else 1.0 / slower):
        if now in (at - 10, at + 65):
            said[now] = pace.left_s(now)
        end = now
    before, after = said[at - 10], said[at + 65]
    assert before is not None
    assert after is not None
    assert before == pytest.approx(10 + (end - at) / slower, rel=0.2)
    assert after == pytest.approx(end - at - 65, rel=0.2)


@pytest.mark.parametrize("name", ["procgen-small", "procgen-quick", "atari-small"])
def test_time_in_which_the_study_stood_still_is_none(name: str, tmp_path: Path) -> None:
    """Two stops of twenty minutes: at every look the estimate is what it would be without them."""
    jobs, looks = read(name), {}
    for stops in ((), (200.0, 1600.0)):
        (root := tmp_path / str(len(stops))).mkdir()
        pace = Pace({one.job.key: one.job for one in jobs})
        times = replayed(jobs, Store(root), pace, lambda now: 1.0, stops=stops)
        looks[stops] = [pace.left_s(now) for step, now in enumerate(times) if step % 20 < 2]
    usual, stopped = looks.values()
    assert len(usual) == len(stopped) > 40
    assert None not in usual[2:]
    assert stopped[2:] == pytest.approx(usual[2:], rel=0.02, abs=2.0)


def test_where_a_job_is_counts_the_times_its_agent_was_played() -> None:
    adapt = Job(kind="adapt", method="m", fold=0, seed=0, spec={"at": [0, 4, 8], "phase": {"env_steps": 8}})
    baseline = Job(kind="baseline", method="random", fold=0, seed=0, spec={})
    assert whole(adapt) == (8.0, 3.0)
    assert position(adapt, 0, "evaluating", 0.5) == (0.0, 0.5)
    assert position(adapt, 2, "", 0.0) == (2.0, 1.0)
    assert position(adapt, 4, "evaluating", 0.25) == (4.0, 1.25)
    assert position(adapt, 4, "", 0.0) == (4.0, 2.0)
    assert position(adapt, 8, "evaluating", 1.0) == (8.0, 3.0)
    assert whole(baseline) == (0.0, 1.0)
    assert position(baseline, 0, "evaluating", 0.5) == (0.0, 0.5)


def test_jobs_that_end_between_two_looks_count_by_how_many_do() -> None:
    jobs = [Job(kind="baseline", method="random", fold=0, seed=0, spec={"number": i}) for i in range(300)]
    pace = Pace({job.key: job for job in jobs})
    assert pace.left_s(0.0) is None
    for second in range(1, 11):
        for job in jobs[10 * second - 10 : 10 * second]:
            pace.begin(job, float(second))
            pace.finish(job, float(second))
    pace.begin(jobs[100], 10.0)
    assert pace.left_s(10.0) == pytest.approx(200 / 10, rel=0.15)
