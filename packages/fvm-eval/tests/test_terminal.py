"""What was computed is written, whatever the terminal is."""

import os
import shlex
import subprocess
import sys

import pytest

ROWS = "method,seed,task,score\n" + "".join(
    f"{m},{s},{t},{v + s}\n" for m, v in (("größer", 1), ("−b", 2)) for s in range(3) for t in "pq"
)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("terminal")
    (folder / "my runs; v2.csv").write_text(ROWS)
    return folder


def shell(here, command, **env):
    return subprocess.run(
        ["bash", "-c", command],
        cwd=here,
        # Where files may not grow, Python itself would leave modules cut short for all who come after.
        env={
            **os.environ,
            "PY": sys.executable,
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **env,
        },
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_any_encoding(here, encoding):
    done = shell(here, f'"$PY" -m fvm_eval "my runs; v2.csv" --out {encoding}', PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    out = done.stdout.decode(encoding)
    assert "method" in out
    assert {"ascii": "gr??er", "cp1252": "größer", "utf-8": "größer"}[encoding] in out
    assert (here / encoding / "report.html").exists()


@pytest.mark.parametrize("sink", ["| head -1", "> /dev/full", ">&-"])
def test_a_terminal_that_is_closed_or_full(here, sink):
    done = shell(here, f'"$PY" -m fvm_eval "my runs; v2.csv" --out sink {sink}')
    assert (done.returncode, done.stderr) == (0, b"")
    assert (here / "sink" / "report.html").stat().st_size > 10_000
    for file in (here / "sink").iterdir():
        file.unlink()


def test_the_line_that_makes_it_again_can_be_pasted(here):
    done = shell(here, '"$PY" -m fvm_eval "my runs; v2.csv" --score-range 0 9')
    assert done.returncode == 0
    page = (here / "my runs; v2-report" / "report.html").read_text()
    line = page[page.rindex("<pre>") + 5 : page.rindex("</pre>")].replace("&#39;", "'")
    assert line == "python -m fvm_eval 'my runs; v2.csv' --score-range 0 9 --out 'my runs; v2-report'"
    assert shlex.split(line)[3:] == [
        "my runs; v2.csv",
        *["--score-range", "0", "9", "--out"],
        "my runs; v2-report",
    ]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("--bin 2.5", "invalid number of env steps value: '2.5'"),
        ("--map score", "--map score: expected COLUMN=NAME"),
        ("--map score=a --map score=b", "--map score is given twice"),
        ("--at 5", "--at needs a column env_step"),
        ("--score-range 1 0", "expected two finite numbers, LOW < HIGH"),
        ("--normalise atari", "is no game of the Atari-57 table"),
        ("--margin -1", "argument --margin: -1: give the smallest difference that matters, above 0"),
        ("--margin nan", "argument --margin: nan: give the smallest difference that matters, above 0"),
        ("--margin much", "argument --margin: invalid number value: 'much'"),
        ("--at inf", "argument --at: invalid number of env steps value: 'inf'"),
        ("--set task", "--set task: expected COLUMN=VALUE, as in --set task=pong"),
        ("--normalise ''", "expected atari, procgen or a file; there is no file ''"),
        ("--normalise .", "expected atari, procgen or a file; that is a folder"),
        ("--claims .", ". cannot be read: Is a directory"),
        ("--claims no.toml", "there is no file no.toml"),
        ("--nonsense", "unrecognized arguments: --nonsense"),
        ("--out /dev/null/x", "the report cannot be written to /dev/null/x: Not a directory"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_status_2(here, options, why):
    done = shell(here, f'"$PY" -m fvm_eval "my runs; v2.csv" {options}')
    err = done.stderr.decode()
    assert done.returncode == 2
    assert why in err
    assert err.count("\n") == 1


def test_help_needs_nothing_heavy():
    code = (
        "import sys\nfrom fvm_eval.cli.arguments import parser\nimport fvm_eval.__main__\n"
        "parser().format_help()\n"
        "print(sorted({'scipy', 'polars', 'matplotlib', 'numpy', 'jinja2', 'narwhals'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_full_disk_leaves_the_report_that_was_there(here):
    run = '"$PY" -m fvm_eval "my runs; v2.csv" --out report'
    assert shell(here, run).returncode == 0
    before = {path.name: path.read_bytes() for path in (here / "report").iterdir()}
    full = shell(here, f"ulimit -f 40; {run} --margin 0.2")  # blocks: the page is larger, a table is not
    assert full.returncode == 2
    said = b"the report cannot be written to report: File too large; make room there, or give another folder"
    assert said in full.stderr
    assert {path.name: path.read_bytes() for path in (here / "report").iterdir()} == before


def test_a_cache_that_cannot_be_made_is_no_fault_of_the_table(here):
    done = shell(here, 'ulimit -f 0; HOME=/proc/nobody "$PY" -m fvm_eval "my runs; v2.csv"', MPLCONFIGDIR="")
    assert done.returncode == 2
    assert b"the report cannot be drawn: Matplotlib requires access to a writable cache" in done.stderr
    assert b"cannot be read" not in done.stderr


def test_a_closed_standard_error_hears_nothing_and_standard_output_no_errors(here):
    for options in ("no.csv", "--nonsense"):
        done = shell(here, f'"$PY" -m fvm_eval {options} 2>&-')
        assert (done.returncode, done.stdout) == (2, b"")


def test_a_file_s_name_that_is_no_text(here):
    name = os.fsdecode(b"runs \xff.csv")
    (here / name).write_text("seed,task,score\n0,t,1\n1,t,2\n")
    done = shell(here, "\"$PY\" -m fvm_eval *$'\\xff'.csv")
    assert (done.returncode, done.stderr) == (0, b"")
    assert "runs \\udcff  1.50" in done.stdout.decode()
    page = (here / os.fsdecode(b"runs \xff-report") / "report.html").read_text()
    line = page[page.rindex("<pre>") + 5 : page.rindex("</pre>")].replace("&#39;", "'")
    again = shell(here, line.replace("python", '"$PY"', 1))
    assert (again.returncode, again.stdout) == (0, done.stdout)


def test_a_report_replaces_no_file_that_no_report_wrote(here, tmp_path):
    run = f'cd "{tmp_path}"; "$PY" -m fvm_eval'
    (tmp_path / "cells.csv").write_text(ROWS)
    for table in ("cells.csv", "./cells.csv"):
        done = shell(here, f"{run} {table} --out .")
        assert done.returncode == 2
        assert b"it would replace cells.csv, which no report wrote; give another folder" in done.stderr
        assert b"method" in done.stdout
    (tmp_path / "cells.csv").rename(tmp_path / "runs.csv")
    (tmp_path / "curves.csv").write_text("mine")
    assert b"it would replace curves.csv" in shell(here, f"{run} runs.csv --out .").stderr
    assert (tmp_path / "curves.csv").read_text() == "mine"
    (tmp_path / "report").mkdir()
    assert shell(here, f"{run} runs.csv --out report").returncode == 0
    assert shell(here, f"{run} runs.csv --out report").returncode == 0
    cells = (tmp_path / "report" / "cells.csv").read_text()
    done = shell(here, f"{run} report/cells.csv --map score=value --out report")
    assert b"it would replace cells.csv, the table itself" in done.stderr
    assert (tmp_path / "report" / "cells.csv").read_text() == cells


def test_negative_powers_of_ten_and_a_home(here, tmp_path):
    done = shell(
        here, '"$PY" -m fvm_eval "my runs; v2.csv" --score-range -1e2 1e2 --out=~/home', HOME=str(tmp_path)
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "home" / "report.html").exists()
