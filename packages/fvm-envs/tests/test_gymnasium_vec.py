"""Families of other people's environments: slots that move, and three ways to go on where one was."""

import copy
import json

import gymnasium as gym
import numpy as np
import pytest
from fvm_envs import from_gymnasium
from fvm_envs.env_state import leaves, way_of
from fvm_envs.restarts import Restarts
from gymnasium.wrappers import FrameStackObservation, TimeLimit

LENGTHS = "cartpole/length/25:75"  # half the pole's length, cm


def cartpole(task):
    env = gym.make("CartPole-v1", render_mode="rgb_array")
    env.unwrapped.length = task.level / 100
    env.unwrapped.polemass_length = env.unwrapped.masspole * env.unwrapped.length
    return env


def pendulum(task):
    env = gym.make("Pendulum-v1", g=float(task.level), max_episode_steps=20)
    return env


class Walk(gym.Env):
    """A walk to a goal that says its own state; `luck` moves it at random."""

    observation_space = gym.spaces.Box(-99, 99, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, goal, luck=True):
        self.goal, self.luck, self.closed = goal, luck, False

    def obs(self):
        self.shown[:] = (self.at, self.goal)
        return self.shown

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.shown = 0, np.zeros(2, dtype=np.float32)
        return self.obs(), {"began": True}

    def step(self, action):
        self.at += 2 * action - 1 + (int(self.np_random.integers(-1, 2)) if self.luck else 0)
        return (
            self.obs(),
            float(self.at == self.goal),
            self.at == self.goal,
            False,
            {"at": self.at, "episode": 3},
        )

    def close(self):
        self.closed = True


class Saved(Walk):
    def state_dict(self):
        return {"at": self.at, "rng": self.np_random.bit_generator.state}

    def load_state_dict(self, state):
        self.at = state["at"]
        self.np_random.bit_generator.state = state["rng"]


class Unseeded(Walk):
    """Draws from a generator that no seed reaches."""

    source = np.random.default_rng(0)

    def step(self, action):
        self.at += int(self.source.integers(-1, 2))
        return super().step(action)


FAMILIES = {
    "replay": (cartpole, LENGTHS, "replay"),
    "continuous": (pendulum, "pendulum/g/5:15", "replay"),
    "own": (lambda task: TimeLimit(Saved(task.level), 9), "walk/goal/2:6", "own"),
    "hidden memory": (
        lambda task: FrameStackObservation(TimeLimit(Saved(task.level), 9), 2),
        "walk/goal/2:6",
        "replay",
    ),
}


@pytest.fixture(params=FAMILIES)
def make(request):
    family, tasks, saves = FAMILIES[request.param]
    made = []

    def build(seed=0, num_envs=3, **options):
        made.append(from_gymnasium(family, tasks, num_envs, seed, **options))
        if options.get("trials") is None and "saves" not in options:
            assert made[-1].saves == saves
        return made[-1]

    yield build
    for envs in made:
        envs.close()


def play(envs, steps, seed=0):
    rng = np.random.default_rng(seed)
    seen = []
    for _ in range(steps):
        if isinstance(envs.single_action_space, gym.spaces.Discrete):
            action = rng.integers(envs.single_action_space.n, size=envs.num_envs)
        else:
            action = rng.uniform(-2, 2, size=(envs.num_envs, 1)).astype(np.float32)
        obs, reward, terminated, truncated, info = envs.step(action)
        parts = leaves((obs, reward, terminated, truncated, info["task_index"]))
        seen.append([np.copy(part) for part in parts])
    return seen


def same(one, two):
    assert len(one) == len(two)
    for parts, others in zip(one, two, strict=True):
        for part, other in zip(parts, others, strict=True):
            np.testing.assert_array_equal(part, other)


@pytest.mark.parametrize("options", [{}, {"autoreset": "next_step"}, {"trials": 2}])
@pytest.mark.parametrize("steps", [0, 7, 33])
def test_it_goes_on_bit_for_bit_in_a_fresh_instance(make, filed, steps, options):
    one, two = make(seed=1, **options), make(seed=2, **options)
    one.reset()
    play(one, steps)
    state = one.state_dict()
    for leaf in leaves(state):
        assert isinstance(leaf, np.ndarray) or json.loads(json.dumps(leaf)) == leaf
    two.reset()
    play(two, 5)
    two.load_state_dict(filed(state))
    nobody = {"reset_mask": np.zeros(3, dtype=bool)}
    same([list(leaves(one.reset(options=nobody)[0]))], [list(leaves(two.reset(options=nobody)[0]))])
    same(play(one, 40, seed=5), play(two, 40, seed=5))


def test_what_cannot_be_saved_restarts_bit_for_bit():
    class Loaded(Walk):  # a seed does not determine its first episode: it remembers how many it has played
        episodes = 0

        def reset(self, **kwargs):
            out = super().reset(**kwargs)
            self.episodes += 1
            self.at = self.episodes
            return out

    assert way_of(lambda: Unseeded(9)) == way_of(lambda: Loaded(9)) == "none"
    envs = from_gymnasium(lambda task: Unseeded(task.level), "walk/goal/2:6", 2, 0)
    assert not envs.saves_state
    envs.reset()
    with pytest.raises(NotImplementedError, match=r"use fvm_envs\.restarts\.Restarts"):
        envs.state_dict()

    def made():
        return Restarts(from_gymnasium(cartpole, LENGTHS, 2, 0, saves="none"), 3, 20)

    one, two = made(), made()
    one.reset(seed=3)
    play(one, 10)
    assert one.can_save
    two.load_state_dict(one.state_dict())
    same(play(one, 25, seed=4), play(two, 25, seed=4))


class Levers(gym.Env):
    """Two levers under names; a broken one pays NaN."""

    observation_space = gym.spaces.Box(-99, 99, (1,), np.float32)
    action_space = gym.spaces.Dict({"left": gym.spaces.Discrete(3), "pair": gym.spaces.MultiDiscrete([2, 2])})

    def __init__(self, broken):
        self.broken = broken

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.sum = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.sum += int(action["left"]) + 3 * int(np.sum(action["pair"]))
        reward = np.nan if self.broken else float(self.sum)
        return np.array([self.sum], np.float32), reward, self.sum > 50, False, {}


def test_actions_of_several_parts_and_rewards_of_nan_are_replayed(filed):
    one, two = (
        from_gymnasium(lambda task: Levers(task.level), "levers/broken/0:2", 2, seed, on_episode_end="stay")
        for seed in (1, 2)
    )
    assert one.saves == "replay"
    one.reset()
    one.action_space.seed(0)
    actions = [one.action_space.sample() for _ in range(14)]
    for action in actions[:4]:
        one.step(action)
    assert np.isnan(one.returns).tolist() == [False, True]
    two.load_state_dict(filed(one.state_dict()))
    for action in actions[4:]:
        mine, theirs = one.step(action), two.step(action)
        same([list(leaves(mine[:4]))], [list(leaves(theirs[:4]))])


def test_a_replay_that_leads_elsewhere_is_refused_and_changes_nothing():
    envs = from_gymnasium(lambda task: Unseeded(50), "walk/goal/2:6", 2, 0, saves="replay")
    envs.reset()
    play(envs, 20)
    state = envs.state_dict()
    before = np.copy(envs.observe())
    with pytest.raises(ValueError, match=r"replaying 20 actions of walk/goal/.* leads elsewhere"):
        envs.load_state_dict(state)
    np.testing.assert_array_equal(envs.observe(), before)
    own = from_gymnasium(lambda task: Saved(50), "walk/goal/2:6", 2, 0)
    with pytest.raises(ValueError, match="saved by 'replay', and these save by 'own'"):
        own.load_state_dict(state)


def test_slots_move_and_each_plays_its_own_task(make):
    envs = make(on_episode_end="stay", num_envs=3)
    obs, info = envs.reset(options={"tasks": [envs.tasks[2], envs.tasks[0], None]})
    np.testing.assert_array_equal(info["task_index"], [2, 0, 2])
    play(envs, 12)
    mask = np.array([False, True, False])
    before = envs.reset(options={"reset_mask": ~mask & False})[0]
    obs, info = envs.reset(options={"reset_mask": mask, "tasks": [None, envs.tasks[3].id, None]})
    np.testing.assert_array_equal(info["task_index"], [2, 3, 2])
    np.testing.assert_array_equal(obs[~mask], before[~mask])


def test_an_environment_is_made_at_first_use_and_a_few_are_kept():
    made = []

    def counted(task):
        made.append(Walk(task.level))
        return made[-1]

    envs = from_gymnasium(counted, "walk/goal/50:60", 1, 0, on_episode_end="stay", keep=2, saves="replay")
    assert len(made) == 1  # the first task's, for the spaces

    def go(level):
        envs.reset(options={"tasks": [f"walk/goal/{level}"]})

    for level in (50, 51, 50, 51):
        go(level)
    assert [env.goal for env in made] == [50, 51]
    go(52)  # closes the one that was not played for longest
    assert [env.closed for env in made] == [True, False, False]
    go(51)
    go(50)
    assert [env.goal for env in made] == [50, 51, 52, 50]
    envs.close()
    assert all(env.closed for env in made)


def test_what_a_slot_plays_does_not_depend_on_what_was_kept(make):
    few, many = make(keep=1), make(keep=99)
    few.reset()
    many.reset()
    same(play(few, 60), play(many, 60))


def test_infos_and_statistics_are_ours():
    envs = from_gymnasium(
        lambda task: Walk(task.level, luck=False), "walk/goal/2:4", 2, 0, on_episode_end="stay"
    )
    envs.reset()
    envs.step(np.array([1, 1]))
    *_, info = envs.step(np.array([1, 1]))  # slot 0 arrives at 2
    np.testing.assert_array_equal(info["episode"]["r"], [1, 0])  # not the environment's own "episode"
    np.testing.assert_array_equal(info["episode"]["l"], [2, 0])
    np.testing.assert_array_equal(info["at"], [2, 2])
    np.testing.assert_array_equal(info["final_obs"][0], [2, 2])
    assert info["final_obs"][1] is None
    np.testing.assert_array_equal(info["final_info"]["at"], [2, 2])
    np.testing.assert_array_equal(info["_final_info"], [True, False])


def test_episode_seeds_make_the_same_episodes(make):
    one, two = make(seed=1), make(seed=2)
    tasks = [one.tasks[1]] * 3
    options = {"tasks": tasks, "episode_seeds": [[5, 6], 7, None]}
    (a, _), (b, _) = one.reset(options=dict(options)), two.reset(options=dict(options))
    np.testing.assert_array_equal(a[:2], b[:2])


def test_an_episode_seed_is_that_of_the_environment():
    envs = from_gymnasium(cartpole, LENGTHS, 2, 0, on_episode_end="stay")
    obs, _ = envs.reset(options={"episode_seeds": [[5, 6], None]})
    alone = cartpole(envs.tasks[0])
    np.testing.assert_array_equal(obs[0], alone.reset(seed=5)[0])
    state = envs.state_dict()
    ended = np.zeros(2, dtype=bool)
    while not ended[0]:
        obs, _, ended, *_ = envs.step(np.zeros(2, dtype=int))
    np.testing.assert_array_equal(obs[0], alone.reset(seed=6)[0])
    other = from_gymnasium(cartpole, LENGTHS, 2, 9, on_episode_end="stay")
    other.load_state_dict(state)
    ended = np.zeros(2, dtype=bool)
    while not ended[0]:
        obs, _, ended, *_ = other.step(np.zeros(2, dtype=int))
    np.testing.assert_array_equal(obs[0], alone.reset(seed=6)[0])
    for seeds in ([-1, 0], [0.5, 1], [1], 3, [True, 0]):
        with pytest.raises(ValueError, match=r"episode.seed"):
            envs.reset(options={"episode_seeds": seeds})


def test_trials_of_continuous_actions():
    envs = from_gymnasium(pendulum, "pendulum/g/5:15", 2, 0, trials=2, reward_scale=0.5)
    obs, _ = envs.reset()
    assert obs["feedback"].shape == (2, 3)
    obs, reward, *_ = envs.step(np.array([[0.25], [-1.5]], dtype=np.float32))
    np.testing.assert_allclose(
        obs["feedback"], [[0.25, 0.5 * reward[0], 0], [-1.5, 0.5 * reward[1], 0]], rtol=1e-6
    )
    play(envs, 18)
    obs, *_, info = envs.step(np.zeros((2, 1), dtype=np.float32))  # the 20th step ends a trial
    assert info["trial_end"].all()
    np.testing.assert_array_equal(obs["feedback"][:, 2], [1, 1])


def test_a_deep_copy_goes_on_the_same_in_this_process():
    envs = from_gymnasium(cartpole, LENGTHS, 2, 0)
    envs.reset()
    play(envs, 9)
    twin = copy.deepcopy(envs)
    same(play(envs, 30, seed=1), play(twin, 30, seed=1))


def test_bad_families():
    def uneven(task):
        return gym.make("CartPole-v1" if task.level == 0 else "Acrobot-v1")

    envs = from_gymnasium(uneven, "mixed/tasks/0:2", 2, 0, on_episode_end="stay")
    with pytest.raises(ValueError, match=r"mixed/tasks/1 has the observation_space .* same spaces only"):
        envs.reset()
    for options, message in (
        ({"saves": "pickle"}, "saves is 'pickle'"),
        ({"keep": 0}, "keep is 0"),
        ({"autoreset": "later"}, "autoreset is 'later'"),
        ({"autoreset": "next_step", "trials": 2}, "leave autoreset as it is"),
    ):
        with pytest.raises(ValueError, match=message):
            from_gymnasium(cartpole, LENGTHS, 2, 0, **options)
    envs = from_gymnasium(pendulum, "pendulum/g/5:15", 2, 0)
    envs.reset()
    with pytest.raises(ValueError, match="expected finite numbers"):
        envs.step(np.full((2, 1), np.nan))
    envs.close()
    for call in (
        lambda: envs.step(np.zeros((2, 1))),
        envs.reset,
        envs.state_dict,
        lambda: envs.render_slot(0),
    ):
        with pytest.raises(RuntimeError, match="the environment is closed: make a new one"):
            call()


def test_frames_come_from_the_environment():
    envs = from_gymnasium(cartpole, LENGTHS, 1, 0)
    envs.reset()
    pytest.importorskip("pygame")
    assert envs.render_slot(0).shape == (400, 600, 3)
    silent = from_gymnasium(pendulum, "pendulum/g/5:15", 1, 0)
    silent.reset()
    with pytest.raises(ValueError, match="let `make` give it render_mode='rgb_array'"):
        silent.render_slot(0)
