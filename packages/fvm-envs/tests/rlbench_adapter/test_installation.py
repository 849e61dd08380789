"""What an installation prints, and each end of its deep probe. Its stages on folders: test_env.py."""

import subprocess

import pytest
from fvm_envs.rlbench import installation
from fvm_envs.rlbench.installation import PROBE_TIMEOUT_S, Installation, Stage

THERE, MISSING = Stage("A", True, "found it"), Stage("B", False, "nothing", "install B")


def test_what_is_missing_is_printed_with_what_mends_it():
    assert str(Installation((THERE, MISSING))) == "[ok] A: found it\n[missing] B: nothing\n    install B"
    assert (Installation((THERE,)).ok, Installation((THERE, MISSING)).ok) == (True, False)


@pytest.fixture
def probe(monkeypatch):
    """The deep probe, whose process ends as a test says."""

    def run(ends):
        def process(command, **options):
            assert options["timeout"] == PROBE_TIMEOUT_S
            if isinstance(ends, Exception):
                raise ends
            return ends

        monkeypatch.setattr(installation.subprocess, "run", process)
        installation._probe.cache_clear()
        return installation._probe()

    yield run
    installation._probe.cache_clear()


@pytest.mark.parametrize(
    ("ends", "ok", "found"),
    [
        (subprocess.CompletedProcess([], 0, "rendered\n", ""), True, "one picture rendered"),
        (subprocess.CompletedProcess([], 1, "", "Traceback\nAssertionError: black\n"), False, "black"),
        (subprocess.CompletedProcess([], 1, "", ""), False, "no message"),
        (subprocess.CompletedProcess([], -11, "", ""), False, "the simulator died: SIGSEGV"),
        (subprocess.TimeoutExpired([], 60), False, "no picture within 60 s"),
    ],
)
def test_every_end_of_the_probe_is_told(probe, ends, ok, found):
    stage = probe(ends)
    assert stage.ok == ok
    assert found in stage.found
    assert ("xvfb-run" in stage.mend) == (not ok)


def test_it_is_probed_only_if_all_else_is_there(monkeypatch, capsys):
    tried = []
    monkeypatch.setattr(installation, "_probe", lambda: tried.append(1) or THERE)
    assert not installation.check_installation(deep=True, environ={}).ok
    assert tried == []
    assert "COPPELIASIM_ROOT" in capsys.readouterr().out
