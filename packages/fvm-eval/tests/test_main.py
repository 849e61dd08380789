import os
import subprocess
import sys

import pytest
from fvm_eval.__main__ import main
from scipy.stats import ttest_ind

ROWS = """method,seed,task,score
scratch,0,pong,10
scratch,0,assault,4
scratch,1,pong,12
scratch,1,assault,6
pretrained,0,pong,15
pretrained,0,assault,9
pretrained,1,pong,17
pretrained,1,assault,8
"""


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(text, *options):
        if text is not None:
            (tmp_path / "runs.csv").write_text(text)
        status = main(["runs.csv", *options])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_table_differences_and_report(run, tmp_path):
    status, out, err = run(ROWS)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    # Checkpoint means 12 and 12.5: 12.25 +- 12.7062 * .25
    assert lines[2].split() == ["pretrained", "12.25", "[9.07,", "15.43]", "[−35.40,", "59.90]", "2"]
    assert lines[4].startswith("pretrained − scratch  +4.25")
    # Checkpoint means 12, 12.5 against 7, 9: df 1.12. Every one of the 8 pairs on a task is won.
    welch = f"{ttest_ind([12, 12.5], [7, 9], equal_var=False).pvalue:.3f}"
    assert " ".join(lines[7].split()) == f"pretrained − scratch Welch {welch} {welch} 1.00 [0.16, 1.00]"
    # Interquartile means: of 8, 9, 15, 17 it is 12; of 4, 6, 10, 12 it is 8.
    assert [line.split()[:2] for line in lines[10:12]] == [["pretrained", "12.00"], ["scratch", "8.00"]]
    page = (tmp_path / "runs-report" / "report.html").read_text()
    assert "nothing says which episodes were planned" in page


def test_optional_columns_give_curves_and_episodes_are_counted(run):
    rows = "method,seed,task,env_step,score\n" + "".join(
        f"{m},{s},t,{step},{m_ + s + step}\n"
        for m, m_ in (("a", 0), ("b", 5))
        for s in range(3)
        for step in (0, 10)
        for _ in range(2)
    )
    status, out, _ = run(rows, "--out", "elsewhere/deep")
    assert status == 0
    assert "Area under the curve" in out
    assert "Report: elsewhere/deep/report.html" in out


def test_a_score_range_gives_perfect_methods_an_interval(run):
    rows = "method,seed,task,score\n" + "".join(f"m,{seed},t,1\n" for seed in range(5))
    assert "no interval" in run(rows)[1]
    assert "[0.48, 1.00]" in run(rows, "--score-range", "0", "1")[1]


def test_methods_on_other_tasks_are_not_compared(run):
    assert "a − b" in run("method,seed,task,score\na,0,t,1\na,1,t,2\nb,0,u,1\nb,1,u,3\n")[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there is no file runs.csv"),
        ("", "runs.csv is empty; expected a header with method, seed, task, score"),
        ("method,seed,task,score\n", "runs.csv has a header but no rows"),
        (
            "method,run,score\na,0,1\n",
            "lacks the columns seed, task: it has method, run, score and needs method",
        ),
        (
            ROWS.replace("0,assault,9", "0,assault,high"),
            "column score, row 6 (line 7 of the file): 'high' is not",
        ),
        (ROWS.replace("1,pong,12", "1,pong,"), "column score, row 3 (line 4 of the file): is empty"),
        (
            ROWS.replace("scratch,1,pong", "scratch,x,pong"),
            "column seed, row 3 (line 4 of the file): 'x' is not",
        ),
        (
            ROWS.replace("1,pong,12", "1,pong,nan"),
            "column score, row 3 (line 4 of the file): nan is not a finite number",
        ),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(run, text, message):
    status, out, err = run(text)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_report_folder_that_cannot_be_made(run, tmp_path):
    (tmp_path / "taken").write_text("")
    status, _, err = run(ROWS, "--out", "taken")
    assert status == 2
    assert "taken" in err
    assert run(ROWS, "--score-range", "1", "1")[0] == 2


def test_it_runs_as_a_module(tmp_path):
    (tmp_path / "runs.csv").write_text(ROWS)
    done = subprocess.run(
        [sys.executable, "-m", "fvm_eval", "runs.csv"],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
