import pytest
from fvm_envs import Task, score_range
from fvm_envs.atari import SCORES
from fvm_envs.procgen import GAMES
from fvm_envs.score_ranges import PROCGEN_EASY, PROCGEN_HARD


def test_all_games_have_a_range_in_easy_and_hard():
    assert sorted(PROCGEN_EASY) == sorted(PROCGEN_HARD) == sorted(GAMES)
    for low, high in [*PROCGEN_EASY.values(), *PROCGEN_HARD.values()]:
        assert low < high


def test_published_numbers():
    assert score_range(Task.parse("procgen/coinrun-easy/3")) == (5, 10)
    assert score_range(Task.parse("procgen/starpilot-easy/3")) == (2.5, 64)
    assert score_range(Task.parse("procgen/starpilot-hard/3")) == (1.5, 35)
    # Column sums of the paper's table guard against slips of the hand.
    assert sum(low for low, _ in PROCGEN_EASY.values()) == pytest.approx(39)
    assert sum(high for _, high in PROCGEN_EASY.values()) == pytest.approx(309)
    assert sum(low for low, _ in PROCGEN_HARD.values()) == pytest.approx(26.5)
    assert sum(high for _, high in PROCGEN_HARD.values()) == pytest.approx(284.4)


def test_toy_and_unknown():
    assert score_range(Task.parse("toy/hidden-catch/3")) == (0, 1)
    with pytest.raises(ValueError, match="easy or the hard mode"):
        score_range(Task.parse("procgen/maze-memory/3"))
    assert score_range(Task.parse("rlbench/push_button/3")) == (0, 1)
    with pytest.raises(ValueError, match="chess/queens"):
        score_range(Task.parse("chess/queens"))
    with pytest.raises(ValueError, match="did you mean 'pong'"):
        score_range(Task.parse("atari/pogn"))


def test_published_atari_numbers():
    assert score_range(Task.parse("atari/pong")) == (-20.7, 14.6)
    assert score_range(Task.parse("atari/ms_pacman")) == (307.3, 6951.6)
    for low, high in SCORES.values():
        assert low < high
    # Column sums of DQN Zoo's table guard against slips of the hand.
    assert sum(low for low, _ in SCORES.values()) == pytest.approx(50864.9)
    assert sum(high for _, high in SCORES.values()) == pytest.approx(606494.2)
