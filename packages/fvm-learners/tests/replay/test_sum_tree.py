import numpy as np
import pytest
from fvm_learners.replay.sum_tree import SumTree


def tree_of(priorities):
    tree = SumTree(len(priorities))
    tree.set(np.arange(len(priorities)), np.asarray(priorities, dtype=np.float64))
    return tree


def test_samples_are_proportional_to_priorities():
    """Chi-square over 600 items in three blocks; its mean is 599, and 4 standard deviations more is 738."""
    rng = np.random.default_rng(0)
    priorities = rng.random(600) ** 3
    tree, counts = tree_of(priorities), np.zeros(600)
    draws = 2_000 * 128
    for _ in range(2_000):
        items, probability = tree.sample(128, rng)
        counts += np.bincount(items, minlength=600)
        np.testing.assert_allclose(probability, priorities[items] / priorities.sum())
    expected = draws * priorities / priorities.sum()
    chi_square = ((counts - expected) ** 2 / expected)[expected >= 5].sum()
    assert (expected >= 5).sum() > 500
    assert chi_square < 738


def test_each_of_n_draws_has_an_equal_part_of_the_total():
    """So with equal priorities n draws from n items give each once."""
    items, _ = tree_of(np.full(1000, 0.3)).sample(1000, np.random.default_rng(0))
    assert items.tolist() == list(range(1000))


def test_priority_0_is_never_drawn_wherever_the_target_falls():
    class Edge:
        """Draws the ends of each part, where rounding could lead to a neighbour."""

        def __init__(self, value):
            self.value = value

        def random(self, num):
            return np.full(num, self.value)

    rng = np.random.default_rng(0)
    for positive in ([0], [255], [256], [511], [599], [3, 256, 400], [0, 599]):
        priorities = np.zeros(600)
        priorities[positive] = rng.random(len(positive)) + 1e-9
        tree = tree_of(priorities)
        for value in (0.0, np.nextafter(1, 0), 0.5):
            items, probability = tree.sample(64, Edge(value))
            assert set(items.tolist()) <= set(positive)
            assert (probability > 0).all()


def test_sums_follow_every_change_without_drift():
    rng = np.random.default_rng(0)
    tree, plain = SumTree(700), np.zeros(700)
    for _ in range(3000):
        items = rng.choice(700, 5, replace=False)
        values = rng.random(5) * 10.0 ** rng.integers(-8, 8, 5) * (rng.random(5) < 0.7)
        tree.set(items, values)
        plain[items] = values
    assert tree.total == pytest.approx(plain.sum(), rel=1e-12)
    assert tree.num_positive == (plain > 0).sum()
    assert np.array_equal(tree.priorities, plain)
    tree.set(np.arange(700), np.zeros(700))
    assert tree.total == 0
    with pytest.raises(ValueError, match="nothing to sample: every priority is 0"):
        tree.sample(1, rng)


def test_of_an_item_listed_twice_the_last_counts():
    tree = tree_of(np.ones(300))
    tree.set(np.array([7, 299, 7]), np.array([2.0, 3.0, 4.0]))
    assert tree.priorities[7] == 4
    assert (tree.total, tree.num_positive) == (298 + 4 + 3, 300)


def test_a_loaded_tree_draws_the_same():
    rng = np.random.default_rng(0)
    tree = SumTree(1000)
    for _ in range(500):
        tree.set(rng.choice(1000, 3), rng.random(3) + 0.1)
    loaded = tree_of(np.ones(1000))
    loaded.load(tree.priorities)
    for seed in range(10):
        ours, theirs = (t.sample(64, np.random.default_rng(seed)) for t in (loaded, tree))
        assert np.array_equal(ours[0], theirs[0])
        assert np.array_equal(ours[1], theirs[1])
    assert (loaded.total, loaded.num_positive) == (tree.total, tree.num_positive)
