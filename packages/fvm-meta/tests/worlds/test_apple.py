"""AppleRetrieval: an episode by hand, retention's gradients against differences, and what the theory says."""

import numpy as np
import pytest
from fvm_meta.worlds.apple import Apple, Arm, fine_tune, pretrain, retention_gradient, sigmoid, walk


def test_an_episode_by_hand():
    """Two cells there and back: right, wrong, right, right | wrong, right, right, and a step to spare."""
    uniform = np.array([[0.1, 0.9, 0.1, 0.1, 0.9, 0.1, 0.1, 0.1]])
    walked = walk(np.array([[0.6, 0.5]]), uniform, 2)
    # Cells 1, 0, 1, 2: the apple after four steps. Back, the wall is where the way begins: 0, 1, 2.
    assert walked.steps.tolist() == [[4, 3]]
    assert walked.arrived.tolist() == [[True, True]]
    # Rewards +1 -1 +1 +1 | -1 +1 +1, to go: 3 2 3 2 | 1 2 1; scores .4, -.6 | .5, -.5.
    assert walked.gradient[0] == pytest.approx([0.4 * (3 + 3 + 2) - 0.6 * 2, 0.5 * (2 + 1) - 0.5 * 1])


def test_a_wall_holds_where_a_way_begins():
    uniform = np.array([[0.9, 0.9, 0.1, 0.1]])
    walked = walk(np.array([[0.5, 0.5]]), uniform, 2)
    assert walked.steps.tolist() == [[4, 0]]
    assert walked.arrived.tolist() == [[True, False]]


def test_reinforce_s_gradient_is_that_of_the_expected_return():
    """Mean over many episodes against the difference of mean returns, one way of one cell and two steps."""
    rng = np.random.default_rng(0)

    def mean_return(logit):
        right = sigmoid(np.array(logit))
        # right (+1) ends it; wrong, then right or wrong: -1 + 1, -1 - 1
        return float(right + (1 - right) * (-1 + right - (1 - right)))

    logit, small = 0.3, 1e-4
    right = np.full((200_000, 1), sigmoid(np.array(logit)))
    walked = walk(right, rng.random((len(right), 2)), 1)
    slope = (mean_return(logit + small) - mean_return(logit - small)) / (2 * small)
    assert walked.gradient.mean() == pytest.approx(slope, abs=4 * walked.gradient.std() / len(right) ** 0.5)


def test_pretraining_leaves_the_weights_on_one_line():
    """Its features are (c, 1) alone, so w = c b, and out there the logit is b (1 - c^2)."""
    world = Apple(feature=0.25, pretrain_episodes=50)
    theta = pretrain(world, 7, np.random.default_rng(0))
    assert theta[:, 0] == pytest.approx(0.25 * theta[:, 1])
    assert theta @ world.observations[0] == pytest.approx(theta[:, 1] * (1 - 0.25**2))


def kl(theta, teacher, seen):
    p, q = sigmoid(teacher @ seen), sigmoid(theta @ seen)
    return p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))


@pytest.mark.parametrize("kind", ["bc", "ks", "ewc", "ewc-full", "l2"])
def test_a_retention_s_gradient_against_differences(kind):
    world = Apple(feature=0.4)
    theta, teacher = np.array([[0.3, -0.7]]), np.array([[-0.5, -1.1]])
    steps = np.array([[30, 10]])
    back = sigmoid(teacher[0] @ world.observations[1])

    def term(theta):
        change = (theta - teacher)[0]
        fisher = back * (1 - back) * np.outer(world.observations[1], world.observations[1])
        by_way = [float(kl(theta, teacher, seen)[0]) for seen in world.observations]
        return {
            "bc": by_way[1],
            "ks": 0.75 * by_way[0] + 0.25 * by_way[1],
            "ewc": float(np.diag(fisher) @ change**2),
            "ewc-full": float(change @ fisher @ change),
            "l2": float(change @ change),
        }[kind]

    slopes = [(term(theta + step) - term(theta - step)) / 2e-6 for step in 1e-6 * np.eye(2)]
    assert retention_gradient(kind, world, theta, teacher, steps)[0] == pytest.approx(slopes, rel=1e-4)


@pytest.fixture(scope="module")
def arms():
    """Twenty seeds of each arm, as the specification has them."""
    curves = {}
    for feature, number in ((0.25, 7), (1.0, 8)):
        world = Apple(feature=feature)
        pretrained = pretrain(world, 20, np.random.default_rng([number, 0]))
        for arm in (
            Arm(name="plain"),
            Arm(name="bc", retention="bc", coef=1000.0),
            Arm(name="ewc-full", retention="ewc-full", coef=100.0),
            Arm(name="ks", retention="ks", coef=100.0),
            Arm(name="bad", retention="bc", coef=1000.0, teacher="bad"),
        ):
            curves[feature, arm.name] = fine_tune(world, arm, pretrained, np.random.default_rng([number, 1]))
    return curves


def test_fine_tuning_forgets_what_it_does_not_visit_and_retention_keeps_it(arms):
    plain, bc = arms[0.25, "plain"], arms[0.25, "bc"]
    assert plain.back[:, 0].mean() > 0.85  # it knew the way back
    assert plain.least_back.mean() < 0.6
    assert bc.least_back.mean() > 0.75
    assert bc.auc.mean() - plain.auc.mean() > 0.1
    assert arms[0.25, "ewc-full"].auc.mean() - plain.auc.mean() > 0.1


def test_kickstarting_does_not_help_where_the_teacher_knows_nothing(arms):
    assert arms[0.25, "ks"].auc.mean() < 0.2 < arms[0.25, "plain"].auc.mean()


def test_a_bad_teacher_hurts(arms):
    assert arms[0.25, "bad"].auc.mean() < arms[0.25, "plain"].auc.mean() - 0.3


def test_without_interference_nothing_is_forgotten(arms):
    plain = arms[1.0, "plain"]
    assert plain.back[:, 0].mean() - plain.least_back.mean() < 0.15
    assert plain.auc.mean() > 0.95


def test_what_cannot_be():
    with pytest.raises(ValueError, match="there and back needs 120 steps"):
        Apple(distance=60)
    with pytest.raises(ValueError, match="feature=nan"):
        Apple(feature=float("nan"))
    with pytest.raises(ValueError, match=r"distance=1\.5"):
        Apple(distance=1.5)
    with pytest.raises(ValueError, match="retention='si': give one of none, bc, ks"):
        Arm(name="x", retention="si")
    with pytest.raises(ValueError, match="coef=-1"):
        Arm(name="x", coef=-1)
    for name in ("feature", "learning_rate"):
        for value in (0, float("nan"), float("inf"), "1"):
            with pytest.raises(ValueError, match=f"{name}={value!r}: give a finite number above 0"):
                Apple(**{name: value})
    with pytest.raises(ValueError, match="episodes=inf"):
        Apple(episodes=float("inf"))
    with pytest.raises(ValueError, match="decay=nan"):
        Arm(name="x", decay=float("nan"))
