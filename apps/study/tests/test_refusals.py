"""What the command line refuses: one sentence, exit status 2, and no folder is made."""

from __future__ import annotations

from pathlib import Path

import pytest
from study.command_line.cli import run
from study.errors import in_one_line
from study.folder.archive import export_study

HUGE = "9" * 30
LONG = "9" * 5000
WORD = "x" * 5000
NEED_A_PLAN = ("status", "work", "report", "stop", "slurm")
REFUSED = [
    ("--seeds", HUGE, "seeds is about 1e29; it can be at most 1,000,000"),
    ("--seeds", "-3", "seeds is -3; a study needs at least 1"),
    ("--seeds", "nan", "--seeds 'nan' is not a whole number; give one such as 8"),
    ("--seeds", LONG, "of 5,000 characters is not a whole number"),
    ("--seeds", "1.5", "--seeds '1.5' is not a whole number"),
    ("--seeds", "three", "--seeds 'three' is not a whole number"),
    ("--workers", "1.5", "--workers '1.5' is not a whole number"),
    ("--seeds", "1e3", "--seeds '1e3' is not a whole number"),
    ("--seeds", "١٢", "is not a whole number"),
    ("--seeds", "1000000", "is more than 1,000,000"),
    ("--train-sizes", HUGE, "a training-set size is about 1e29"),
    ("--train-sizes", "0", "a training set of 0 levels"),
    ("--train-sizes", "inf", "--train-sizes 'inf' is not a whole number"),
    ("--tune", HUGE, "is more than 1,000,000"),
    ("--tune", "-1", "trial"),
    ("--pretrain-env-steps", HUGE, "can be at most"),
    ("--pretrain-env-steps", "-16", "a budget of -16 env steps"),
    ("--adapt-env-steps", "0", "a budget of 0 env steps"),
    ("--workers", HUGE, "--workers"),
    ("--workers", "-1", "--workers -1 is out of range"),
    ("--checkpoint-every-s", "nan", "is no time"),
    ("--checkpoint-every-s", "-1", "is no time"),
    ("--checkpoint-every-s", "soon", "--checkpoint-every-s 'soon' is not a number; give one such as 30"),
    ("--control", WORD, "xxx"),
    ("--control", "a\nb", "a\\nb is no finished study"),
    ("--output", WORD, "File name too long"),
    ("--output", "..", "holds no study"),
    ("--cache", "nowhere", "--cache nowhere is no folder"),
    ("--video", "", "unknown task"),
    ("--video", WORD, "unknown task"),
    ("--device", WORD, "unknown device"),
    ("--device", "cpu:7", "unknown device"),
    ("--game", WORD, "unknown toy family"),
    ("--tracking-uri", WORD, "tracking URI"),
    ("--tracking-uri", "mysql", "tracking URI"),
    ("--preset", "", "unknown preset of toy ''"),
    ("--methods", WORD, "unknown method"),
    ("--methods", "multitask:", "multitask cannot adapt by ''"),
    ("--methods", "\x1b[31m", "unknown method '\\x1b[31m'"),
    (
        "--methods",
        "multitask,scratch",
        "unknown method 'multitask,scratch'; give several with blanks between",
    ),
    ("--methods", "multitask+bcc", "unknown retention 'bcc'; did you mean 'bc'?"),
    ("--methods", "mine", "if it is your own, name the plug-in that registers it (--plugin)"),
    ("--retain", "bc,ewc", "unknown retention 'bc,ewc'; give several with blanks between them"),
    ("--held-out", "200001x", "is no level; give numbers, such as 84"),
    ("--held-out", "toy/hidden-catch/16", "--held-out 'toy/hidden-catch/16' is no level"),
    ("--held-out", LONG, "a level of 5000 digits is too large"),
    ("--engine", WORD, "unknown engine"),
    ("--set", WORD, "is no option"),
    ("--plugin", WORD, "cannot be loaded"),
    ("--plugin", "..", "--plugin '..' is neither a module nor a file; name one, such as poles.py"),
    ("--plugin", "", "--plugin '' is neither a module nor a file"),
]


@pytest.mark.parametrize(
    ("flag", "word", "words"), REFUSED, ids=[f"{n} {row[0]}" for n, row in enumerate(REFUSED)]
)
def test_it_is_refused_in_a_sentence(
    flag: str,
    word: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    (tmp_path / "else").touch()
    monkeypatch.chdir(tmp_path / "here")
    line = ["--benchmark", "toy", "--preset", "quick", "--game", "catch", "--output", "out", "--dry-run"]
    assert run([*line, flag, word]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.startswith("study: ")
    assert said.count("\n") == 1
    assert len(said) < 1100
    assert said.strip().isprintable()
    assert [path.name for path in (tmp_path / "here").iterdir()] == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("agents nowhere", "nowhere holds no study"),
        ("agents nowhere --seed nan", "--seed 'nan' is not a whole number"),
        (f"agents nowhere --seed {LONG}", "of 5,000 characters is not a whole number"),
        (f"agents {WORD}", "File name too long"),
        (f"agent{WORD}", "unknown command"),
        ("work nowhere --checkpoint-every-s soon", "--checkpoint-every-s 'soon' is not a number"),
        ("slurm nowhere --workers 1e3", "--workers '1e3' is not a whole number"),
        *((f"{name} nowhere", "no folder nowhere; name the --output of a study") for name in NEED_A_PLAN),
        *((f"{name} file", "no folder file; name the --output of a study") for name in NEED_A_PLAN),
        *((f"{name} empty", "empty has no plan of a study's jobs") for name in NEED_A_PLAN),
        ("export file out.tar", "file holds no study; name the output folder of one"),
        ("export study nowhere/out.tar", "there is no folder nowhere); make it, or name another place"),
        ("export study file/out.tar", "file is no folder); name another place"),
        ("import good.tar file", "file is no folder); name another place"),
        ("import good.tar file/mine", "file is no folder); name another place"),
        ("import empty mine", "empty is a folder; name a file that `study export` wrote"),
    ],
    ids=range(28),
)
def test_a_command_on_a_folder_refuses_in_a_sentence(
    line: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "study.json").write_text('{"fvm_study": 1, "identity": {}}')
    if "good.tar" in line:
        export_study(tmp_path / "study", tmp_path / "good.tar")
    assert run(line.split()) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert len(said) < 1100


def test_a_message_is_one_line_however_long_its_words_are() -> None:
    assert in_one_line("a b") == "a b"
    assert in_one_line("a\nb\x07\u202e") == "a\\nb\\x07\\u202e"
    assert in_one_line("no " + "y" * 121) == "no " + "y" * 80 + "..." + "y" * 30
    assert in_one_line("no " + "y" * 120) == "no " + "y" * 120
    assert len(in_one_line("word " * 1000)) < 1000


TUNE = "tune --benchmark toy --preset quick --game catch --grid adapt.learning_rate=1e-3,2e-3 --dry-run"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"{TUNE} --seeds abc", "--seeds 'abc' is not a whole number"),
        (f"{TUNE} --error 1.2.3", "--error '1.2.3' is not a number"),
        (f"{TUNE} --env-steps {10**16}", "--env-steps is 10,000,000,000,000,000; it can be at most"),
        (f"{TUNE} --env-steps {10**15}", "jobs, more than 1,000,000; give fewer"),
        (f"{TUNE} --most-env-steps 5", "--most-env-steps is 5; it must be at least 420000"),
        (f"{TUNE} --tune 3", "--tune means nothing to it"),
        (f"{TUNE} --tuned nowhere", "--tuned means nothing to it"),
        (f"{TUNE} --fresh", "--fresh means nothing to it"),
        (f"{TUNE} --cache nowhere", "--cache nowhere is no folder"),
        ("--benchmark toy --no-tracking --tracking-uri http://h:1", "--no-tracking logs nothing; give one"),
        ("--benchmark toy --tune 2 --tuned nowhere", "--tune and --tuned are two ways to choose settings"),
        ("--benchmark apple --set c=.5 --set c=.6", "c is to be .5 and .6; give one of them"),
        ("--benchmark toy --set game=catch --game hidden-catch", "game is to be catch and hidden-catch"),
        ("--benchmark toy --checkpoint-every-s .", "--checkpoint-every-s '.' is not a number"),
    ],
    ids=range(14),
)
def test_what_contradicts_itself_is_refused_before_anything_runs(
    line: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(line.split()) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.startswith("study: ")
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["--dry-run"], ["--plugin", "maze"]])
def test_a_folder_that_is_gone_is_said(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert run(["--benchmark", "toy", *words]) == 2
    assert "is gone; change to one that exists" in capsys.readouterr().err
