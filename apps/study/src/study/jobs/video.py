"""A gif of a frozen agent playing a task."""

from __future__ import annotations

import io
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from study.config import StudyConfig
from study.errors import StudyError, unknown, writing
from study.folder.files import write_bytes
from study.folder.store import Store
from study.jobs.agents import restore
from study.jobs.environments import env_options, make_envs
from study.measures.films import FPS, TICKS
from study.plan import Job, Plan

SIZE = 256  # pixels a side
EVERY = 2  # env steps a frame
FRAME_MS = 66  # Procgen's own speed is 15 steps a second; this doubles it
FILM_MS = round(1000 / FPS)  # where a step is a motion that envs film
MAX_FRAMES = 250


def write_videos(config: StudyConfig, plan: Plan, store: Store, task: str) -> list[Path]:
    """Writes one gif per method: the last snapshot of its first seed on `task`.

    Raises:
        StudyError: No agent of this study plays such a task, or the disk is full.
    """
    folder = store.root / "videos"
    with writing(folder):
        folder.mkdir(exist_ok=True)
    return [write_video(job, store, task, folder) for job in agents_that_play(config, plan, task)]


def agents_that_play(config: StudyConfig, plan: Plan, task: str) -> list[Job]:
    """Returns the job of each method whose agent plays `task`.

    On a held-out task that is the adapted agent, on any other task of the family the pretrained one.

    Raises:
        StudyError: No agent of this study plays such a task, or it cannot be shown.
    """
    jobs = {job.method: job for job in reversed(plan.jobs) if _plays(job, task, config)}
    if not jobs:
        raise unknown("task", task, [config.task_id(level) for level in config.held_out])
    try:
        envs = make_envs(config.benchmark, [task], 1, 0, **dict(config.env_options))
    except ValueError as error:
        raise StudyError(f"cannot play {task!r}: {error}") from None
    with closing(envs):
        envs.reset(seed=0)
        check_frame(envs, task)
    return list(jobs.values())


def check_frame(envs: Any, task: str) -> None:
    """Raises StudyError unless the one slot of envs shows a picture."""
    try:
        frame = np.asarray(envs.render_slot(0))
    except (AttributeError, ValueError) as error:
        raise StudyError(f"cannot film {task!r}: {error}") from None
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[-1] != 3:
        raise StudyError(
            f"cannot film {task!r}: its envs render {frame.dtype} {frame.shape}; let it be uint8 [H, W, 3]"
        )


def _plays(job: Job, task: str, config: StudyConfig) -> bool:
    if job.seed != config.first_seed or job.kind in ("baseline", "measure"):
        return False
    if job.kind == "adapt":
        return bool(job.spec["task"] == task)
    held_out = {config.task_id(level) for level in config.held_out}
    return task not in held_out and task.rsplit("/", 1)[0] == config.family


def write_video(job: Job, store: Store, task: str, folder: Path) -> Path:
    """Writes one episode of the job's last snapshot on `task` as a gif; returns its path."""
    policy = restore(job, store, "cpu").policy
    envs = make_envs(job.spec["benchmark"], [task], 1, 0, **env_options(job.spec))
    frame_ms = FILM_MS if hasattr(envs, "film_slot") else FRAME_MS
    frames, return_ = play(policy, envs)
    path = folder / f"{job.method}-{task.replace('/', '-')}.gif"
    label = f"{job.method}  {task}  return {return_:g}"
    images = [_image(frame, label) for frame in frames]
    gif = io.BytesIO()
    images[0].save(
        gif, "GIF", save_all=True, append_images=images[1:], duration=frame_ms, loop=0, optimize=True
    )
    write_bytes(path, gif.getvalue())
    return path


def play(policy: Any, envs: Any) -> tuple[list[np.ndarray[Any, Any]], float]:
    """Returns the frames and the return of one sampled episode in one slot, at most MAX_FRAMES; closes it.

    A frame every second step, or of the motions that a step is made of, where envs film them.
    """
    obs, _ = envs.reset(seed=0)
    state, start, rng = policy.initial_state(1), np.ones(1, np.bool_), np.random.default_rng(0)
    frames, return_ = [], 0.0
    moving = hasattr(envs, "film_slot")
    if moving:
        frames += [envs.render_slot(0), *envs.film_slot(0, TICKS)]
    for step in range(MAX_FRAMES * EVERY):
        if not moving and step % EVERY == 0:
            frames.append(envs.render_slot(0))
        action, state = policy.act(obs, state, start, [rng])
        obs, reward, terminated, truncated, _ = envs.step(action)
        return_ += float(reward[0])
        start = terminated | truncated
        if moving:
            frames += envs.film_slot(0, TICKS)
        if start[0]:
            break
    envs.close()
    return frames[:MAX_FRAMES], return_


def _image(frame: np.ndarray[Any, Any], label: str) -> Image.Image:
    image = Image.new("RGB", (SIZE, SIZE + 16), "white")
    image.paste(Image.fromarray(frame).resize((SIZE, SIZE), Image.Resampling.LANCZOS), (0, 16))
    ImageDraw.Draw(image).text((3, 2), label, fill="black")
    return image.quantize(64)
