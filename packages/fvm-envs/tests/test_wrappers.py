"""Gymnasium's own vector wrappers on every benchmark; docs/gymnasium.md shows the table."""

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from fvm_envs import from_gymnasium, make_vec
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import vector as wrappers

BENCHMARKS = {
    "procgen": ("procgen/jumper-easy/0:5", {}, pytest.mark.procgen),
    "atari": ("atari/pong", {"max_frames": 80}, pytest.mark.atari),
    "toy": ("toy/catch/0:96", {}, ()),
    "rlbench": (
        "rlbench/reach_target",
        {"episode_length": 2, "image_size": 16, "depth": False, "point_cloud": False},
        pytest.mark.manipulation,
    ),
    "own": ("cartpole/length/30:40", {}, ()),
}
NUM_ENVS = 3
STEPS = 25


SAME, NEXT = "same_step", "next_step"


def cartpole(task):
    env = gym.make("CartPole-v1", max_episode_steps=9, render_mode="rgb_array")
    env.unwrapped.length = task.level / 100
    return env


def made(name, autoreset, **more):
    tasks, options, _ = BENCHMARKS[name]
    make = (lambda *args, **kwargs: from_gymnasium(cartpole, *args, **kwargs)) if name == "own" else make_vec
    return make(tasks, NUM_ENVS, 0, autoreset=autoreset, **options, **more)


def image(envs):
    """Of RLBench's dictionary the one picture that wrappers for arrays can take."""
    if not isinstance(envs.single_observation_space, gym.spaces.Dict):
        return envs
    space = envs.single_observation_space["front_rgb"]
    return wrappers.TransformObservation(envs, lambda obs: obs["front_rgb"], single_observation_space=space)


def played(envs, seed=0):
    """What a wrapped environment shows under random actions: the steps, the reset's observation first."""
    obs, info = envs.reset(seed=seed)
    rng, space = np.random.default_rng(seed), envs.single_action_space
    yield obs, None, None, None, info
    for _ in range(STEPS):
        if isinstance(space, gym.spaces.Discrete):
            action = rng.integers(space.n, size=NUM_ENVS)
        else:
            action = np.tile(np.float32([0.3, 0, 1.0, 1, 0, 0, 0, 1]), (NUM_ENVS, 1))
            action[:, :3] += rng.uniform(-0.1, 0.1, size=(NUM_ENVS, 3)).astype(np.float32)
        yield envs.step(action)


def statistics(name, autoreset):
    """Returns and lengths as those that we count ourselves."""
    theirs = played(wrappers.RecordEpisodeStatistics(made(name, autoreset, episode_stats=False)))
    ours = played(made(name, autoreset))
    episodes = 0
    for (*_, said), (*_, counted) in zip(theirs, ours, strict=True):
        if counted.get("_episode", np.zeros(1)).any():
            np.testing.assert_allclose(said["episode"]["r"], counted["episode"]["r"])
            np.testing.assert_array_equal(said["episode"]["l"], counted["episode"]["l"])
            np.testing.assert_array_equal(said["_episode"], counted["_episode"])
            episodes += counted["_episode"].sum()
    assert episodes or name == "procgen"


def observations(wrap, expected):
    """A test that a wrapper shows `expected` of what there is to see."""

    def test(name, autoreset):
        envs = wrap(made(name, autoreset))
        for (obs, *_), (plain, *_) in zip(played(envs), played(image(made(name, autoreset))), strict=True):
            assert envs.observation_space.contains(obs)
            expected(obs, plain)
        envs.close()

    return test


def shape_is(*shape):
    return lambda obs, plain: np.testing.assert_equal(obs.shape[1:], shape or obs.shape[1:])


def as_floats(obs, plain):
    np.testing.assert_array_equal(obs, plain.astype(np.float32))
    assert obs.dtype == np.float32


def grey(obs, plain):
    weights = np.array([0.2125, 0.7154, 0.0721])
    np.testing.assert_allclose(obs, (plain * weights).sum(axis=-1), atol=1)


def flattened(name, autoreset):
    envs = wrappers.FlattenObservation(made(name, autoreset))
    for (obs, *_), (plain, *_) in zip(played(envs), played(made(name, autoreset)), strict=True):
        assert obs.shape == (NUM_ENVS, gym.spaces.flatdim(made_space(name)))
        if not isinstance(plain, dict):
            np.testing.assert_array_equal(obs, plain.reshape(NUM_ENVS, -1))
    envs.close()


def made_space(name):
    return made(name, SAME).single_observation_space


def normalised(name, autoreset):
    envs = wrappers.NormalizeObservation(wrappers.DtypeObservation(image(made(name, autoreset)), np.float32))
    for obs, *_ in played(envs):
        assert np.isfinite(obs).all()
        assert np.abs(obs).max() < 60
    envs.close()


def paid(name, autoreset):
    envs = wrappers.NormalizeReward(made(name, autoreset))
    for _, reward, *_ in played(envs):
        assert reward is None or np.isfinite(reward).all()
    envs.close()


def filmed(name, autoreset):
    pytest.importorskip("moviepy")
    folder = Path(filmed.folder)
    envs = wrappers.RecordVideo(
        made(name, autoreset), str(folder), step_trigger=lambda step: step == 0, video_length=6, fps=4
    )
    for _ in played(envs):
        pass
    envs.close()
    (video,) = folder.glob("*.mp4")
    assert video.stat().st_size > 1000


# Which cells of the table there are: the reason why where one is not.
WRAPPERS = {
    "RecordEpisodeStatistics": (statistics, {}),
    "TransformObservation": (
        observations(
            lambda e: wrappers.TransformObservation(image(e), lambda obs: np.minimum(obs, 7)),
            lambda o, p: same(o, np.minimum(p, 7)),
        ),
        {},
    ),
    "ResizeObservation": (
        observations(lambda e: wrappers.ResizeObservation(image(e), (12, 10)), shape_is()),
        {"own": "no picture"},
    ),
    "GrayscaleObservation": (
        observations(lambda e: wrappers.GrayscaleObservation(image(e)), grey),
        {"own": "no picture", "atari": "is grey"},
    ),
    "FlattenObservation": (flattened, {}),
    "DtypeObservation": (
        observations(lambda e: wrappers.DtypeObservation(image(e), np.float32), as_floats),
        {},
    ),
    "NormalizeObservation": (normalised, {}),
    "NormalizeReward": (paid, {}),
    "RecordVideo": (filmed, {}),
}
# Gymnasium's wrappers of observations refuse same_step: they would not change `final_obs`.
NEXT_STEP_ONLY = [name for name in WRAPPERS if name.endswith("Observation")]
CELLS = [
    pytest.param(wrapper, name, mode, marks=BENCHMARKS[name][2])
    for wrapper, (_, missing) in WRAPPERS.items()
    for name in BENCHMARKS
    if name not in missing
    for mode in (SAME, NEXT)
    if mode is NEXT or wrapper not in NEXT_STEP_ONLY
]


def same(obs, expected):
    np.testing.assert_array_equal(obs, expected)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("wrapper", "name", "mode"), CELLS)
def test_a_wrapper_of_gymnasium(wrapper, name, mode, tmp_path):
    if wrapper in ("ResizeObservation", "GrayscaleObservation"):
        pytest.importorskip("cv2")
    filmed.folder = tmp_path / "videos"
    WRAPPERS[wrapper][0](name, mode)


def test_what_gymnasium_refuses():
    with pytest.raises(ValueError, match="Expected autoreset_mode to be NEXT_STEP or DISABLED"):
        next(played(wrappers.TransformObservation(made("toy", SAME), lambda obs: obs)))


@pytest.mark.parametrize("name", [pytest.param(name, marks=BENCHMARKS[name][2]) for name in BENCHMARKS])
def test_next_step_is_same_step_with_a_pause(name):
    """The same episodes, each ending shown and followed by a step that only begins the next."""
    one, two = made(name, SAME, on_episode_end="stay"), made(name, NEXT, on_episode_end="stay")
    assert two.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    # A slot of its own each: pauses shift its steps.
    queues = [[] for _ in range(NUM_ENVS)]
    obs, _ = one.reset(seed=4)
    rng, space = np.random.default_rng(0), one.single_action_space
    for _ in range(60 if isinstance(space, gym.spaces.Discrete) else 6):
        if isinstance(space, gym.spaces.Discrete):
            action = rng.integers(space.n, size=NUM_ENVS)
        else:
            action = np.tile(np.float32([0.3, 0, 1.0, 1, 0, 0, 0, 1]), (NUM_ENVS, 1))
        obs, reward, terminated, truncated, info = one.step(action)
        for slot in range(NUM_ENVS):
            over = terminated[slot] or truncated[slot]
            last = info["final_obs"][slot] if over and "final_obs" in info else None
            queues[slot].append(
                (action[slot], reward[slot], terminated[slot], truncated[slot], of(obs, slot), last)
            )
    two.reset(seed=4)
    waiting = [None] * NUM_ENVS
    endings = 0
    while all(queues):
        now = [queue[0] if waiting[slot] is None else None for slot, queue in enumerate(queues)]
        idle = np.zeros_like(queues[0][0][0]) if isinstance(space, gym.spaces.Discrete) else queues[0][0][0]
        obs, reward, terminated, truncated, _ = two.step(
            np.array([expected[0] if expected else idle for expected in now])
        )
        for slot, expected in enumerate(now):
            if expected is None:
                assert (reward[slot], terminated[slot], truncated[slot]) == (0.0, False, False)
                equal(of(obs, slot), waiting[slot])
                waiting[slot] = None
                continue
            queues[slot].pop(0)
            _, paid_, ended, cut, shown, last = expected
            assert (reward[slot], terminated[slot], truncated[slot]) == (paid_, ended, cut)
            if ended or cut:
                endings += 1
                waiting[slot] = shown
                if last is not None:
                    equal(of(obs, slot), last)
            else:
                equal(of(obs, slot), shown)
    assert endings or name == "procgen"


def of(obs, slot):
    return {key: part[slot] for key, part in obs.items()} if isinstance(obs, dict) else obs[slot]


def equal(a, b):
    if isinstance(a, dict):
        for key, part in a.items():
            np.testing.assert_array_equal(part, b[key], err_msg=key)
    else:
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "id", ["toy/catch-v0", pytest.param("procgen/coinrun-easy-v0", marks=pytest.mark.procgen)]
)
def test_make_vec_of_registered_ids_takes_the_options(id):
    envs = gym.make_vec(id, num_envs=2, episode_stats=False, autoreset="next_step")
    envs = wrappers.NormalizeReward(wrappers.RecordEpisodeStatistics(envs))
    envs.reset(seed=1)
    envs.step(np.array([0, 1]))
    envs.close()


def table():
    """The table of docs/gymnasium.md."""
    lines = [f"| | {' | '.join(BENCHMARKS)} |", f"|---{'|---' * len(BENCHMARKS)}|"]
    for wrapper, (_, missing) in WRAPPERS.items():
        works = "next_step" if wrapper in NEXT_STEP_ONLY else "yes"
        cells = [missing.get(name, works) for name in BENCHMARKS]
        lines.append(f"| `{wrapper}` | {' | '.join(cells)} |")
    return "\n".join(lines)


@pytest.mark.e2e
def test_the_page_shows_this_table():
    page = (Path(__file__).parents[3] / "docs" / "gymnasium.md").read_text()
    assert table() in page
