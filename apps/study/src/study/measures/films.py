"""Films of an agent on its held-out task, at each snapshot: before, while and after it adapts.

The same episode each time, so that what changes is the agent. A film is kept as mp4 in base64: results are
tables of plain values.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from fvm_eval.analysis.film import Film
from numpy.typing import NDArray

from study.registry import Findings, Finished, Measure, Rows

if TYPE_CHECKING:
    from study.config import StudyConfig
    from study.jobs.evaluation import Context
    from study.plan import Job

TICKS = 4  # of .02 s from one picture to the next
FPS = 12.5
LAST_S = 1.0  # the end stands still for so long
STEP_S = 0.4  # where an env shows nothing between two steps
MOMENTS = ("Before", "During", "After")


def wanted(config: StudyConfig, job: Job) -> Mapping[str, Any] | None:
    """Returns the settings of a film; None for all but the first seed of the rows that are to be filmed."""
    if job.method not in config.evaluation.filmed or job.seed != config.first_seed:
        return None
    return {"max_steps": config.evaluation.max_steps, "num_envs": 1}


def play(agent: Any, context: Context) -> Rows:
    """Returns one row: task, score, mp4 (base64)."""
    task = context.spec["task"]
    entropy = [int(context.spec["seed"]), *task.encode()]
    seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
    envs = context.make_envs([task], 1)
    try:
        pictures, score = filmed(agent, envs, seed, context.settings["max_steps"])
    finally:
        envs.close()
    return [{"task": task, "score": score, "mp4": base64.b64encode(mp4(pictures)).decode()}]


def filmed(agent: Any, envs: Any, seed: int, max_steps: int) -> tuple[list[NDArray[np.uint8]], float]:
    """Returns pictures 1 / FPS s apart and the return of one episode in the env's only slot."""
    obs, _ = envs.reset(seed=seed)
    moving = hasattr(envs, "film_slot")
    if moving:
        envs.film_slot(0, TICKS)
    state, start, rng = agent.initial_state(1), np.ones(1, np.bool_), np.random.default_rng(seed)
    pictures, score = [envs.render_slot(0)], 0.0
    for _ in range(max_steps):
        action, state = agent.act(obs, state, start, [rng])
        obs, reward, terminated, truncated, _ = envs.step(action)
        score += float(reward[0])
        start = terminated | truncated
        if moving:
            pictures += envs.film_slot(0, TICKS)
        elif not start[0]:  # what is drawn afterwards is the next episode's start
            pictures += [envs.render_slot(0)] * round(STEP_S * FPS)
        if start[0]:
            break
    return pictures + pictures[-1:] * round(LAST_S * FPS), score


def mp4(pictures: Sequence[NDArray[np.uint8]]) -> bytes:
    """Returns a film in H.264, which browsers play; the same pictures give the same bytes."""
    import imageio_ffmpeg

    height, width = (side - side % 2 for side in pictures[0].shape[:2])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        writer = imageio_ffmpeg.write_frames(
            str(path),
            (width, height),
            fps=FPS,
            codec="libx264",
            quality=None,
            macro_block_size=2,
            output_params=["-crf", "24", "-preset", "slow", "-threads", "1", "-movflags", "+faststart"],
        )
        writer.send(None)
        for picture in pictures:
            writer.send(np.ascontiguousarray(picture[:height, :width]))
        writer.close()
        return path.read_bytes()


def findings(finished: Finished) -> Findings:
    """Returns the films for the report, snapshot by snapshot."""
    rows = finished.rows(FILMS)
    if rows.is_empty():
        return Findings()
    films = []
    for (method, _, _), mine in rows.sort("method", "task", "seed", "env_step").group_by(
        ["method", "task", "seed"], maintain_order=True
    ):
        last = len(mine) - 1
        for place, row in enumerate(mine.iter_rows(named=True)):
            when = MOMENTS[0 if place == 0 else 2 if place == last else 1]
            films.append(
                Film(
                    name=f"{method}-{row['task']}-{row['env_step']}",
                    method=str(method),
                    task=row["task"],
                    caption=f"{when}: {row['env_step']:,} env steps, return {row['score']:g}",
                    mp4=base64.b64decode(row["mp4"]),
                )
            )
    return Findings(shown={"films": films})


FILMS = Measure(name="films", version=1, at="snapshots", wanted=wanted, play=play, findings=findings)
