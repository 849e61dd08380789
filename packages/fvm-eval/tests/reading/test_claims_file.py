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
        ('[[comparison]]\nleft = "ppo"\nright = "dqn"\nmargin = -1', "comparison 1: margin=-1"),
        ('[[claim]]\nid = "A"\nstatement = "x"', "claim 1: claim A has no components"),
        (
            '[[claim]]\n[[claim.part]]\nleft = "ppo"\nright = "dqn"\nmargin = 1\nkind = "more"',
            "part 1: kind='more'",
        ),
        ('[claim]\nid = "A"', r"write claim as \[\[claim\]\]"),
    ],
)
def test_what_is_no_claim_is_refused(claims, text, why):
    with pytest.raises(TableError, match=why):
        claims(text)
