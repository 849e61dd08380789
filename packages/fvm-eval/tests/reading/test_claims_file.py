"""Claims from a TOML file."""

import polars as pl
import pytest
from fvm_eval import compare
from fvm_eval.table import TableError

ROWS = [
    (m, s, t, v + 0.1 * s)
    for m, v in (("ppo", 3.0), ("dqn", 1.0), ("sac", 3.05))
    for s in range(6)
    for t in "pq"
]
PART = "[[claim]]\n[[claim.part]]\nmargin = 1\n"
PAIR = '[[comparison]]\nleft = "ppo"\nright = "dqn"\n'
FRAME = pl.DataFrame(ROWS, schema=["method", "seed", "task", "score"], orient="row")


@pytest.fixture
def claims(tmp_path):
    def claims(text, **options):
        path = tmp_path / "claims.toml"
        path.write_text(text)
        return compare(FRAME, claims=path, **options)

    return claims


def test_a_comparison_and_a_claim(claims):
    found = claims(
        """
        [[comparison]]
        left = "ppo"
        right = "dqn"
        margin = 0.5
        [[claim]]
        id = "A"
        statement = "PPO is better than DQN and as good as SAC."
        [[claim.part]]
        left = "ppo"
        right = "dqn"
        margin = 0.5
        [[claim.part]]
        weights = { ppo = 1.0, sac = -1.0 }
        kind = "equivalence"
        margin = 0.4
        [claim.assay]
        left = "ppo"
        right = "dqn"
        margin = 0.5
        """
    )
    ((comparison, verdict),) = found.analysis.verdicts
    assert comparison.margin == 0.5
    assert str(verdict.label) == "supported"
    assert [str(decided.verdict.label) for decided in found.analysis.claims] == ["supported"]
    assert "PPO is better than DQN" in found.files["report.html"].decode()


def test_a_level_has_no_margin_where_scores_do_not_begin_at_0(claims):
    """Its share of the range is not that of a difference: 3 in .5 to 4 is .71, a difference of 3 is .86."""
    level = "[[claim]]\n[[claim.part]]\nweights = {{ ppo = 1.0 }}\nmargin = {}\n"
    with pytest.raises(TableError, match=r"claim 1, part 1: weights add up to 1, not 0"):
        claims(level.format(3.0), score_range=(0.5, 4.0))
    for options in ({}, {"score_range": (0.0, 4.0)}):  # where it means what it says: the mean is 3.25
        (decided,) = claims(level.format(1.0), **options).analysis.claims
        assert decided.verdict.label == "supported"
        (decided,) = claims(level.format(3.5), **options).analysis.claims
        assert not decided.verdict.components[0].passed


def test_a_refused_size_is_the_one_that_was_written(claims):
    """Not its share of the range, nor what Python makes of it."""
    pair = '[[claim]]\n[[claim.part]]\nleft = "ppo"\nright = "dqn"\n'
    with pytest.raises(TableError, match=r"claim 1, part 1: detect = -2: give the smallest"):
        claims(pair + "margin = 1\ndetect = -2", score_range=(0.0, 10.0))
    with pytest.raises(TableError, match=r"claim 1, part 1: margin = -2: give the smallest"):
        claims(pair + "margin = -2", score_range=(0.0, 10.0))
    with pytest.raises(TableError, match=r"give detect = SIZE"):
        claims(pair + "margin = 1\ndetect = 'much'")
    for wrong in (-2.0, 0.0, float("nan"), float("inf")):
        with pytest.raises(TableError, match=f"^margin={wrong:g}: give the smallest"):
            compare(FRAME, margin=wrong, score_range=(0.0, 10.0))


def test_margins_are_in_the_unit_of_the_scores(claims):
    found = claims('[[comparison]]\nleft = "ppo"\nright = "dqn"', margin=1.0, score_range=(0.0, 10.0))
    assert found.analysis.verdicts[0][0].margin == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("left = ", "is no TOML"),
        ("", r"has neither \[\[claim\]\] nor \[\[comparison\]\]"),
        ('[[comparison]]\nleft = "pqo"\nright = "dqn"\nmargin = 1', "no method 'pqo'.*did you mean 'ppo'"),
        ('[[comparison]]\nleft = "ppo"\nrigth = "dqn"', "unknown key 'rigth'; did you mean right"),
        ('[[comparison]]\nleft = "ppo"\nright = "dqn"', "give margin = SIZE"),
        (
            '[[comparison]]\nleft = "ppo"\nright = "dqn"\nmargin = -1',
            "comparison 1: margin = -1: give the",
        ),
        ('[[claim]]\nid = "A"\nstatement = "x"', "claim 1: claim A has no components"),
        (
            '[[claim]]\n[[claim.part]]\nleft = "ppo"\nright = "dqn"\nmargin = 1\nkind = "more"',
            "part 1: kind='more'",
        ),
        ('[claim]\nid = "A"', r"write claim as \[\[claim\]\]"),
        (f"{PART}weights = 3", "part 1: write weights = { METHOD = NUMBER"),
        (f"{PART}weights = {{ ppo = nan, dqn = 1 }}", "weights must be finite"),
        (f"{PART}weights = {{ ppo = true, dqn = -1 }}", "part 1: weights must be finite numbers"),
        (
            '[[claim]]\nassay = 3\n[[claim.part]]\nleft = "ppo"\nright = "dqn"\nmargin = 1',
            "assay: expected a table",
        ),
        (f"{PAIR}margin = 1\nmin_checkpoints = nan", "min_checkpoints=nan: one checkpoint has no spread"),
        (f"{PAIR}margin = 1\nmin_checkpoints = 2.5", "min_checkpoints=2.5"),
        ("x = " + "[" * 100_000, "is no TOML"),
    ],
)
def test_what_is_no_claim_is_refused(claims, text, why):
    with pytest.raises(TableError, match=why):
        claims(text)


def test_a_byte_order_mark_is_no_part_of_the_claims(claims):
    (verdict,) = claims(f"\ufeff{PAIR}margin = 0.5").analysis.verdicts
    assert verdict[0].left == "ppo"
