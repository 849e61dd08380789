import re
from importlib.util import find_spec
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_examples_run_as_printed(capsys):
    examples = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    names = {}
    for example in examples:
        code = [line for line in example.splitlines() if line and not line.startswith(("import", "from"))]
        assert len(code) <= 15
        exec(compile(example, "README.md", "exec"), names)
    *text, mean, difference, verdict, claim = capsys.readouterr().out.splitlines()
    assert text[0] == "Score, 3 tasks"
    assert "cluster-t" in mean
    assert "Welch" in difference
    assert verdict == "supported"
    assert claim.startswith("contradicted Interval(")


def test_every_module_of_its_tables_exists():
    rooms, of_statistics = README.split("| in `statistics` |")
    for text, room in ((rooms, "fvm_eval"), (of_statistics, "fvm_eval.statistics")):
        names = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?`) \|", text, flags=re.MULTILINE)))
        assert len(names) > 5
        for name in names:
            assert find_spec(f"{room}.{name}") is not None
