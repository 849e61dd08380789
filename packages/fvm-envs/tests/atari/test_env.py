import sys

import gymnasium as gym
import numpy as np
import pytest
from fvm_envs import make_vec
from fvm_envs.atari import env as atari_env
from fvm_envs.atari.env import SIDE, make_native

pytestmark = pytest.mark.atari


def play(envs, num_steps, seed=0):
    """Steps of random play: obs, reward, terminated, truncated, info of each."""
    rng = np.random.default_rng(seed)
    return [envs.step(rng.integers(envs.single_action_space.n, size=envs.num_envs)) for _ in range(num_steps)]


def area_weights(size):
    """[84, size], each row the mean over 1 / 84 of the pixels."""
    edges = np.linspace(0, size, SIDE + 1)
    pixels = np.arange(size)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.maximum(overlap, 0) * SIDE / size


class ReferenceGame:
    """The same game on a plain `ALEInterface`, without no-ops, one slot."""

    def __init__(self, game):
        from ale_py import ALEInterface, LoggerMode, roms

        ALEInterface.setLoggerMode(LoggerMode.Error)
        self.ale = ALEInterface()
        self.ale.setFloat("repeat_action_probability", 0.0)
        self.ale.loadROM(roms.get_rom_path(game))
        self.ale.reset_game()
        self.minimal = [action.value for action in self.ale.getMinimalActionSet()]
        self.frames = [np.zeros((SIDE, SIDE))] * 3 + [self.resize(self.ale.getScreenGrayscale())]

    def resize(self, screen):
        return area_weights(screen.shape[0]) @ screen @ area_weights(screen.shape[1]).T

    @property
    def obs(self):
        return np.stack(self.frames, axis=-1)

    def step(self, code):
        reward, seen = 0, []
        for _ in range(4):
            reward += self.ale.act(code)
            seen.append(self.ale.getScreenGrayscale())
        self.frames = [*self.frames[1:], self.resize(np.maximum(seen[-2], seen[-1]))]
        return reward


def code_of(action, action_space, minimal):
    if action_space == "semantic":
        return action if action in minimal else 0
    return minimal[action] if action < len(minimal) else 0


@pytest.mark.parametrize(
    ("game", "action_space"), [("breakout", "semantic"), ("asterix", "index"), ("breakout", "native")]
)
def test_a_game_is_played_as_on_the_plain_emulator(game, action_space):
    """No sticky actions, FIRE, clipped rewards; a lost life neither ends nor restarts the game."""
    envs = make_vec(f"atari/{game}", 1, 0, noop_max=0, action_space=action_space)
    reference = ReferenceGame(game)
    obs, info = envs.reset()
    rng = np.random.default_rng(0)
    lives, lost, rewards = info["lives"][0], 0, []
    assert lives == reference.ale.lives() > 1
    for _ in range(1000):
        assert np.abs(obs[0] - reference.obs).max() <= 1  # the library rounds
        action = int(rng.integers(envs.single_action_space.n))
        code = code_of(action, action_space, reference.minimal)
        before = reference.ale.lives()
        obs, reward, terminated, truncated, info = envs.step(np.array([action]))
        rewards.append(reference.step(code))
        assert reward[0] == rewards[-1]
        assert terminated[0] == reference.ale.game_over()
        assert not truncated[0]
        if terminated[0]:
            break
        assert info["lives"][0] == reference.ale.lives()
        assert info["life_lost"][0] == (reference.ale.lives() < before)
        lost += info["life_lost"][0]
    assert terminated[0]
    assert not info["life_lost"][0]
    assert lost == lives - 1
    assert info["lives"][0] == lives  # of the next game, which the returned observation belongs to
    if game == "asterix":
        assert max(rewards) > 1
    envs.close()


def test_the_stack_is_blank_after_a_reset_and_not_after_a_lost_life():
    envs = make_vec("atari/road_runner", 1, 0)
    obs, _ = envs.reset()
    assert not obs[0, ..., :3].any()
    assert obs[0, ..., 3].any()
    lost = over = 0
    for after, _, terminated, _, info in play(envs, 300):
        if terminated[0]:
            over += 1
            assert not after[0, ..., :3].any()
            assert after[0, ..., 3].any()
            final = info["final_obs"][0]
            np.testing.assert_array_equal(final[..., :3], obs[0, ..., 1:])
            assert final.shape == envs.single_observation_space.shape
        else:
            lost += info["life_lost"][0]
            np.testing.assert_array_equal(after[0, ..., :3], obs[0, ..., 1:])
        obs = after
    assert lost > 1
    assert over > 0


def test_a_truncated_episode_shows_its_true_last_observation():
    """ale-py's own limit would stop before the newest frames are read, and show old ones."""
    short, long = (make_vec("atari/asterix", 2, 5, max_frames=frames) for frames in (78, 10_000))
    np.testing.assert_array_equal(short.reset()[0], long.reset()[0])
    for step, (a, b) in enumerate(zip(play(short, 20), play(long, 20), strict=True), start=1):
        assert a[3].all() == (step == 20)
        assert not a[2].any()
        if step < 20:
            np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[4]["life_lost"], b[4]["life_lost"])
    for slot in range(2):
        np.testing.assert_array_equal(a[4]["final_obs"][slot], b[0][slot])
    assert (a[4]["episode"]["l"] == 20).all()
    assert not a[0][..., :3].any()


def first_frames(num_resets, **options):
    envs = make_vec("atari/seaquest", 1, 0, **options)
    return {envs.reset()[0].tobytes() for _ in range(num_resets)}


def test_an_episode_starts_after_some_frames_without_action():
    assert len(first_frames(8, noop_max=0)) == 1
    assert len(first_frames(8)) > 3


def test_fire_and_sticky_actions_come_only_if_asked_for():
    served, waiting = (
        make_vec("atari/breakout", 1, 0, noop_max=0, fire_reset=fire) for fire in (True, False)
    )
    lost = []
    for envs in (served, waiting):
        envs.reset()
        lost.append(sum(envs.step(np.array([0]))[4]["life_lost"][0] for _ in range(100)))
    assert lost[0] > 0
    assert lost[1] == 0
    plain, sticky = (
        make_vec("atari/asterix", 1, 0, noop_max=0, repeat_action_probability=p) for p in (0.0, 0.5)
    )
    plain.reset(seed=1)
    sticky.reset(seed=1)
    assert any(not np.array_equal(a[0], b[0]) for a, b in zip(play(plain, 60), play(sticky, 60), strict=True))


def test_frame_stack():
    envs = make_vec("atari/pong", 2, 0, frame_stack=2)
    usual = make_vec("atari/pong", 2, 0)
    assert envs.single_observation_space.shape == (84, 84, 2)
    np.testing.assert_array_equal(envs.reset()[0], usual.reset()[0][..., -2:])
    for a, b in zip(play(envs, 5), play(usual, 5), strict=True):
        np.testing.assert_array_equal(a[0], b[0][..., -2:])


def test_an_episode_depends_on_its_seed_and_actions_alone():
    """Not on the slot, the other slots and tasks, or what was played before; also after an autoreset."""
    options = {"on_episode_end": "stay", "max_frames": 120, "repeat_action_probability": 0.25}
    alone = make_vec("atari/asterix", 1, 0, **options)
    among = make_vec("atari/pong,atari/seaquest,atari/asterix", 3, 9, **options)
    among.reset()
    play(among, 40, seed=3)
    among.reset(options={"tasks": ["atari/asterix"] * 3})
    play(among, 17, seed=4)
    mask = np.array([False, False, True])
    seen, _ = among.reset(
        seed=[None, None, 123], options={"tasks": [None, None, "atari/asterix"], "reset_mask": mask}
    )
    expected, _ = alone.reset(seed=[123])
    np.testing.assert_array_equal(seen[2], expected[0])
    rng = np.random.default_rng(0)
    for _ in range(70):
        actions = rng.integers(18, size=3)
        a, b = among.step(actions), alone.step(actions[2:])
        np.testing.assert_array_equal(a[0][2], b[0][0])
        for x, y in zip(a[1:4], b[1:4], strict=True):
            assert x[2] == y[0]
    another, _ = alone.reset(seed=[124])
    for _ in range(5):
        another, *_ = alone.step(np.array([0]))
    alone.reset(seed=[123])
    for _ in range(5):
        again, *_ = alone.step(np.array([0]))
    assert not np.array_equal(another, again)


def test_the_least_played_game_is_next():
    envs = make_vec("atari/pong,atari/breakout,atari/seaquest", 1, 0)
    drawn = [envs.reset(seed=3)[1]["task_index"][0]]
    for num_steps in (5, 3, 4, 1, 2):
        play(envs, num_steps)
        drawn.append(envs.reset()[1]["task_index"][0])
    assert drawn == [0, 1, 2, 1, 1, 2]
    play(envs, 1)
    assert envs.reset(seed=3)[1]["task_index"][0] == 0  # the counts start again


def test_games_of_different_lengths_get_equal_shares_of_the_env_steps():
    envs = make_vec("atari/pong,atari/breakout", 1, 0, max_frames=60)
    envs.reset()
    shares = np.zeros(2)
    task = 0
    for step in range(300):
        shares[task] += 1
        *_, info = envs.step(np.array([0]))
        task = info["task_index"][0]
        if task == 1 and step % 3 == 0:  # breakout is cut short: only few of its episodes reach the end
            task = envs.reset()[1]["task_index"][0]
    assert abs(shares[0] - shares[1]) <= 15  # an episode


def test_slots_spread_over_the_games():
    envs = make_vec("atari/pong,atari/breakout,atari/seaquest", 5, 0)
    assert envs.reset()[1]["task_index"].tolist() == [0, 1, 2, 0, 1]
    mask = np.array([True, False, False, True, True])  # of no steps everywhere; slots 1 and 2 play on
    assert envs.reset(options={"reset_mask": mask})[1]["task_index"].tolist() == [0, 1, 2, 0, 1]


def test_uniform_draws():
    envs = make_vec("atari/pong,atari/breakout,atari/seaquest", 8, 0, draw="uniform")
    expected = gym.utils.seeding.np_random(4)[0].integers(3, size=8)
    np.testing.assert_array_equal(envs.reset(seed=4)[1]["task_index"], expected)


class Counted:
    """A native instance that counts its calls."""

    def __init__(self, native):
        self.native = native
        self.sent = 0

    def __getattr__(self, name):
        return getattr(self.native, name)

    def send(self, *args):
        self.sent += 1
        self.native.send(*args)


def test_a_slot_costs_one_game_and_moving_it_back_makes_nothing(monkeypatch):
    made, make = [], atari_env.make_native

    def counted(*args, **options):
        made.append(Counted(make(*args, **options)))
        return made[-1]

    monkeypatch.setattr(atari_env, "make_native", counted)
    games = ["atari/pong", "atari/breakout", "atari/seaquest"]
    envs = make_vec(games, 2, 0, on_episode_end="stay")
    envs.reset()
    for first in (0, 1, 2, 0, 1, 2):
        envs.reset(options={"tasks": [games[first], games[0]]})
        before = sum(native.sent for native in made)
        play(envs, 4)
        assert sum(native.sent for native in made) - before == 4 * 2
    assert len(made) == 3 + 2  # slot 0: three games; slot 1: breakout at first, then pong


def test_threads_do_not_change_results():
    games = "atari/pong,atari/breakout,atari/seaquest"
    one, three, many = (make_vec(games, 4, 2, max_frames=32, num_threads=n) for n in (1, 3, 9))
    for envs in (one, three, many):
        envs.reset()
    for steps in zip(play(one, 12), play(three, 12), play(many, 12), strict=True):
        for part in range(4):
            np.testing.assert_array_equal(steps[0][part], steps[1][part])
            np.testing.assert_array_equal(steps[0][part], steps[2][part])


def test_its_state_cannot_be_saved_and_it_says_so():
    envs, catch = make_vec("atari/pong", 1, 0), make_vec("toy/catch/0", 1, 0)
    trials = make_vec("atari/pong", 1, 0, trials=2)
    assert [e.saves_state for e in (envs, catch, trials)] == [False, True, False]
    for e in (envs, trials):
        e.reset()
        with pytest.raises(NotImplementedError, match="reset all slots with a seed"):
            e.state_dict()


def test_nothing_is_changed_in_gymnasium():
    before = dict(gym.vector.VectorEnv.metadata)
    make_vec("atari/pong", 1, 0).reset()
    assert gym.vector.VectorEnv.metadata == before


@pytest.mark.parametrize(
    ("tasks", "options", "message"),
    [
        ("atari/pongg", {}, "did you mean 'pong'"),
        ("atari/pong,atari/breakout", {"action_space": "native"}, "2 games have no native actions in common"),
        ("atari/pong", {"action_space": "full"}, "'native', 'semantic' or 'index'"),
        ("atari/pong", {"draw": "random"}, "'least_played' or 'uniform'"),
        ("atari/pong", {"noop_max": -1}, "noop_max is -1: give 0 to 10000"),
        ("atari/pong", {"frame_stack": 0}, "frame_stack is 0"),
        ("atari/pong", {"max_frames": 0}, "max_frames is 0"),
        ("atari/pong", {"num_threads": 0}, "num_threads is 0"),
        ("atari/pong", {"repeat_action_probability": 1.5}, "give 0 to 1"),
    ],
)
def test_bad_options(tasks, options, message):
    with pytest.raises(ValueError, match=message):
        make_vec(tasks, 1, 0, **options)


def test_without_ale_py_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(atari_env, "make_native", make_native)
    monkeypatch.setitem(sys.modules, "ale_py", None)
    with pytest.raises(ImportError, match=r"pip install 'fvm-envs\[atari\]'"):
        make_vec("atari/pong", 1, 0).reset()
