import pickle
from copy import deepcopy

import numpy as np
import pytest
from fvm_envs import RandomPolicy, TaskSet, make_vec
from fvm_envs.toy import FAMILIES, best_first_trial_return
from fvm_envs.toy.catch import order_of


@pytest.mark.parametrize("name", FAMILIES)
def test_the_best_player_reaches_the_best_return_in_every_task(name):
    num_tasks = FAMILIES[name].num_tasks
    envs = make_vec(f"toy/{name}/0:{num_tasks}", num_tasks, 0, on_episode_end="stay")
    envs.reset()
    episodes = np.zeros(num_tasks)
    for _ in range(5 * FAMILIES[name].num_steps):
        *_, info = envs.step(envs.best_actions())
        ended = info["_episode"]
        episodes += ended
        assert (info["episode"]["r"][ended] == 1).all()
        assert (info["episode"]["l"][ended] == FAMILIES[name].num_steps).all()
    assert (episodes == 5).all()


def test_guessing_earns_the_computed_first_trial_return():
    """Whoever guesses one action and stays with it plays the first trial as well as anybody can."""
    num_envs = 24 * 20
    envs = make_vec("toy/hidden-catch/0:24", num_envs, 0, on_episode_end="stay")
    envs.reset()
    returns = sum(envs.step(np.full(num_envs, 2))[1] for _ in range(3))
    assert returns.mean() == pytest.approx(best_first_trial_return(envs.tasks), abs=0.06)


def test_random_play_leaves_room():
    for name, most in (("catch", 0.35), ("hidden-catch", 0.06)):
        envs = make_vec(f"toy/{name}/0:{FAMILIES[name].num_tasks}", 50, 0)
        envs.reset()
        policy, rngs = (
            RandomPolicy(envs.single_action_space.n),
            [np.random.default_rng([1, i]) for i in range(50)],
        )
        returns = []
        for _ in range(130):
            actions, _ = policy.act(None, None, None, rngs)
            *_, info = envs.step(actions)
            returns += info["episode"]["r"][info["_episode"]].tolist()
        assert np.mean(returns) < most


def first_frames(tasks):
    envs = make_vec(tasks, len(tasks), 0, on_episode_end="stay")
    return envs.reset(seed=[5] * len(tasks))[0]


def test_catch_tasks_can_be_told_apart_in_the_first_frame():
    frames = first_frames(TaskSet.parse("toy/catch/0:96"))
    assert len({frame.tobytes() for frame in frames}) == 96


def test_hidden_tasks_look_the_same():
    frames = first_frames(TaskSet.parse("toy/hidden-catch/0:24"))
    assert len({frame.tobytes() for frame in frames}) == 1


def test_upside_down_is_the_mirror_image():
    upright, mirrored = first_frames(["toy/catch/0", "toy/catch/6"])
    np.testing.assert_array_equal(upright, mirrored[::-1])


def test_final_obs_shows_the_ball_on_the_last_row():
    envs = make_vec("toy/hidden-catch/3", 2, 0)
    envs.reset()
    for _ in range(3):
        _, _, terminated, truncated, info = envs.step(envs.best_actions())
    assert terminated.all()
    assert not truncated.any()
    np.testing.assert_array_equal(info["_final_obs"], [True, True])
    white = (info["final_obs"][0] == 255).all(axis=-1)
    assert white[78:].sum() == 36
    assert not white[:78].any()
    assert "final_obs" not in envs.step(envs.best_actions())[4]


@pytest.mark.parametrize("cell_pixels", [1, 5])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_cell_of_fewer_pixels_shows_the_same_play(name, cell_pixels):
    tasks = f"toy/{name}/0:24"
    usual, small = make_vec(tasks, 24, 0), make_vec(tasks, 24, 0, cell_pixels=cell_pixels)
    assert small.single_observation_space.shape == (14 * cell_pixels, 14 * cell_pixels, 3)

    def same(a, b):
        cells = a[..., ::6, ::6, :]
        np.testing.assert_array_equal(cells.repeat(cell_pixels, axis=-3).repeat(cell_pixels, axis=-2), b)

    same(usual.reset()[0], small.reset()[0])
    for _ in range(2 * FAMILIES[name].num_steps):
        actions = usual.best_actions()
        np.testing.assert_array_equal(actions, small.best_actions())
        a, b = usual.step(actions), small.step(actions)
        same(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])
        for slot in np.flatnonzero(b[4]["_episode"]):
            same(a[4]["final_obs"][slot], b[4]["final_obs"][slot])
    assert a[4]["_episode"].all()


def test_a_cell_has_at_least_one_pixel():
    with pytest.raises(ValueError, match="cell_pixels is 0"):
        make_vec("toy/catch/0", 1, 0, cell_pixels=0)


def test_slots_have_dynamics_of_their_own():
    """Reseeding one slot with a list leaves the others' starts alone."""
    one, two = (make_vec("toy/catch/0", 3, 0) for _ in range(2))
    one.reset(seed=1)
    two.reset(seed=1)
    mask = np.array([False, True, False])
    one.reset(seed=[None, 9, None], options={"reset_mask": mask})
    two.reset(seed=[None, 8, None], options={"reset_mask": mask})
    differs = False
    for _ in range(80):
        a, b = one.step(np.zeros(3, dtype=int))[0], two.step(np.zeros(3, dtype=int))[0]
        np.testing.assert_array_equal(a[[0, 2]], b[[0, 2]])
        differs |= not np.array_equal(a[1], b[1])
    assert differs


def test_a_damaged_state_is_refused():
    envs = make_vec("toy/catch/0", 3, 0)
    envs.reset()
    state = envs.state_dict()
    with pytest.raises(ValueError, match="damaged"):
        envs.load_state_dict({**state, "own": {**state["own"], "pixels": np.zeros(3)}})
    with pytest.raises(ValueError, match="another cell_pixels"):
        make_vec("toy/catch/0", 3, 0, cell_pixels=1).load_state_dict(state)


@pytest.mark.parametrize(
    ("family", "k"), [("visible-catch", 4), ("one-mark-catch", 1), ("two-mark-catch", 2)]
)
def test_a_legend_marks_what_each_action_does_and_nothing_else_differs(family: str, k: int) -> None:
    levels = "0:24"
    visible, hidden = (
        make_vec(f"toy/{name}/{levels}", 24, 5, on_episode_end="stay", cell_pixels=1)
        for name in (family, "hidden-catch")
    )
    shown, plain = visible.reset()[0], hidden.reset()[0]
    for level, task in enumerate(visible.tasks):
        order, effects = order_of(task), FAMILIES["visible-catch"].effects
        marks = {(row, 7 + effects[order[a]]) for a, row in enumerate((1, 3, 5, 7)[:k])}
        differs = np.argwhere((shown[level] != plain[level]).any(axis=-1))
        assert {(int(row), int(column)) for row, column in differs} == marks
    rng = np.random.default_rng(0)
    for _ in range(9):  # the legend stays, and the rules are the same
        actions = rng.integers(4, size=24)
        seen, unseen = visible.step(actions), hidden.step(actions)
        np.testing.assert_array_equal(seen[0][:, 9:], unseen[0][:, 9:])
        np.testing.assert_array_equal(seen[0][:, :9], shown[:, :9])
        np.testing.assert_array_equal(seen[1], unseen[1])


def test_a_range_of_orders_is_a_sample_of_them() -> None:
    orders = FAMILIES["hidden-catch"].orders
    assert len(set(orders)) == 24
    for start in range(24):
        first = {orders[(start + i) % 24][0] for i in range(6)}
        assert len(first) >= 3, start  # lexicographic, six in a row would share it


@pytest.mark.parametrize("copied", [deepcopy, lambda envs: pickle.loads(pickle.dumps(envs))])
@pytest.mark.parametrize("options", [{}, {"trials": 2}])
def test_a_copy_goes_on_as_the_original(copied, options):
    envs = make_vec("toy/hidden-catch/0:24", 3, 0, **options)
    envs.reset(seed=1)
    other = copied(envs)
    played = [envs.step(np.full(3, t % 4)) for t in range(8)]
    for t, (obs, reward, *_) in enumerate(played):
        others_obs, others_reward, *_ = other.step(np.full(3, t % 4))
        np.testing.assert_equal(others_obs, obs)
        np.testing.assert_array_equal(others_reward, reward)
