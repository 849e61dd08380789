import pytest
from fvm_envs.procgen.games import ACTION_SETS, BUTTONS, GAMES, MAX_LEVEL, level_seed, modes_of, parse_name


def test_sixteen_games_and_fifteen_actions():
    assert len(GAMES) == len(set(GAMES)) == 16
    assert len(BUTTONS) == len(ACTION_SETS["full"]) == 15
    assert [BUTTONS[action] for action in ACTION_SETS["right"]] == [("RIGHT",), ("RIGHT", "UP")]
    assert [BUTTONS[a] for a in ACTION_SETS["coinrun"]] == [
        ("LEFT",),
        (),
        ("UP",),
        ("RIGHT",),
        ("RIGHT", "UP"),
    ]


def test_modes():
    assert modes_of("coinrun") == ("easy", "hard", "exploration")
    assert modes_of("dodgeball") == ("easy", "hard", "extreme", "memory")
    assert sum(len(modes_of(game)) for game in GAMES) == 16 + 16 + 4 + 6 + 8
    assert parse_name("maze-memory") == ("maze", "memory")


@pytest.mark.parametrize(
    ("name", "level", "message"),
    [
        ("coinrunn-easy", 1, "did you mean 'coinrun'"),
        ("zzz-easy", 1, "the games are bigfish"),
        (
            "coinrun-memory",
            1,
            "coinrun has no mode 'memory': expected coinrun-<mode> with easy, hard, explor",
        ),
        ("coinrun", 1, "no mode ''"),
        ("coinrun-easy", None, "say which, as in procgen/coinrun-easy/0"),
        ("coinrun-easy", MAX_LEVEL + 1, "the largest is 2147483646"),
        ("coinrun-exploration", 5, "one level only: leave '/5' out"),
    ],
)
def test_what_does_not_exist(name, level, message):
    with pytest.raises(ValueError, match=message):
        level_seed(name, level)
