"""Text files of every kind are read, or refused with one sentence that names the file's own line."""

import bz2
import gzip
import json
import lzma

import polars as pl
import pytest
from fvm_eval.reading import Request, read
from fvm_eval.table import TableError

ROWS = [
    ("sac", 0, "hopper", 1.5),
    ("sac", 1, "hopper", 2.5),
    ("td3", 0, "hopper", 0.25),
    ("td3", 1, "hopper", -4.125),
]
HEAD = "method,seed,task,score\n"
PLAIN = HEAD + "".join(f"{m},{s},{t},{v}\n" for m, s, t, v in ROWS)


@pytest.fixture
def door(tmp_path):
    def door(content, name="runs.csv", **request):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read(path, Request(**request))

    return door


def cells(reading):
    return reading.episodes.select("method", "seed", "task", "score").rows()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (PLAIN, None),
        (PLAIN.replace(",", ";"), "separated by semicolons"),
        (PLAIN.replace(",", ";").replace(".", ","), "decimal comma"),
        (PLAIN.replace(",", "\t"), "separated by tabs"),
        (PLAIN.replace(",", "\t").replace(".", ","), "decimal comma"),
        (PLAIN.replace(",", "|"), "separated by bars"),
        (PLAIN.replace(",", "  "), "separated by blanks"),
        ("\ufeff" + PLAIN, "UTF-8 text with a byte-order mark"),
        (PLAIN.encode("utf-16"), "UTF-16 text with a byte-order mark"),
        (PLAIN.encode("utf-16-be"), "UTF-16 text"),
        (PLAIN.encode("utf-32"), "UTF-32 text with a byte-order mark"),
        (PLAIN.replace("\n", "\r"), "lines ended by CR alone"),
        (PLAIN.replace("\n", "\r\n"), None),
        (PLAIN.rstrip("\n"), None),
        (PLAIN + "\n\n   \n,,,\n", None),
        ("\n\n" + PLAIN.replace("td3,0", "\ntd3,0"), None),
        (PLAIN.replace("td3,0", "# the second\ntd3,0") + "#end", "2 comment lines (#) left out"),
        ("# " + PLAIN, None),
        ("sep=;\n" + PLAIN.replace(",", ";"), "separated by semicolons"),
        (gzip.compress(PLAIN.encode(), mtime=0), "compressed by gzip"),
        (bz2.compress(PLAIN.encode()), "compressed by bzip2"),
        (lzma.compress(PLAIN.encode()), "compressed by xz"),
        (PLAIN.replace("sac,0", ' "sac" , 0 ').replace("td3", "td3 \u00a0"), None),
        (
            PLAIN.upper().replace("SAC", "sac").replace("TD3", "td3").replace("HOPPER", "hopper"),
            "method from column 'METHOD'",
        ),
    ],
)
def test_the_same_table_however_it_is_written(door, content, said):
    reading = door(content)
    assert cells(reading) == ROWS
    assert (reading.said == ()) if said is None else any(said in text for text in reading.said)


def test_text_that_is_not_utf_8_is_said_and_can_be_named(door):
    text = PLAIN.replace("sac", "Öko–A")
    reading = door(text.encode("cp1252"))
    assert set(reading.episodes["method"]) == {"Öko–A", "td3"}
    assert any("Windows-1252" in text for text in reading.said)
    assert set(
        door(PLAIN.replace("sac", "метод").encode("cp1251"), encoding="cp1251").episodes["method"]
    ) == {"метод", "td3"}
    with pytest.raises(TableError, match="--encoding klingon: there is no such encoding"):
        door(PLAIN, encoding="klingon")
    with pytest.raises(TableError, match=r"runs.csv is not utf-8 text: give --encoding"):
        door(text.encode("cp1252"), encoding="utf-8")


def test_a_point_in_a_decimal_comma_file_is_no_group_of_digits(door):
    rows = "method;seed;task;score\na;0;t;1.234,5\na;1;t;{}\n"
    assert door(rows.format("1.234.567"), decimal=",").episodes["score"].to_list() == [1234.5, 1234567.0]
    with pytest.raises(TableError, match=r"line 3 of the file\): '1.2345' is not a number"):
        door(rows.format("1.2345"), decimal=",")


def test_composed_and_decomposed_letters_are_one_method(door):
    reading = door(PLAIN.replace("sac,0", "caf\u00e9,0").replace("sac,1", "cafe\u0301,1"))
    assert reading.episodes["method"].n_unique() == 2


@pytest.mark.parametrize(
    "number", ["1000000", "1000000.0", "1e6", "1E+06", " 1e6 ", '"1,000,000"', "1_000_000"[:0] + "1 000 000"]
)
def test_whole_numbers_however_written(door, number):
    reading = door(f"method,seed,task,env_step,score\na,0.0,t,{number},1\na,1e0,t,{number},2\n")
    assert reading.episodes["env_step"].to_list() == [1_000_000] * 2
    assert reading.episodes["seed"].to_list() == [0, 1]


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("2.5", "'2.5' is not a whole number"),
        ("-3", "'-3' is not a whole number >= 0"),
        ("1e300", "'1e300' is not a whole number"),
        ("", "is empty"),
        ("nan", "nan is not a whole number"),
    ],
)
def test_what_is_not_whole_is_refused_with_its_line(door, number, why):
    with pytest.raises(TableError, match=rf"column env_step, row 2 \(line 4 of the file\): {why}"):
        door(f"# a comment\nmethod,seed,task,env_step,score\na,0,t,1,1\na,1,t,{number},2\n")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (PLAIN.replace("2.5", "fast"), r"column score, row 2 \(line 3 of the file\): 'fast' is not a number"),
        (PLAIN.replace("sac,1", "\n# c\n\nsac,1").replace("2.5", "x"), r"line 6 of the file\): 'x'"),
        ("\n\n" + PLAIN.replace("2.5", "x"), r"line 5 of the file\): 'x'"),
        (PLAIN.replace("\n", "\r").replace("2.5", "x"), r"line 3 of the file\): 'x'"),
        (
            PLAIN.replace("sac,0", '"sac\nand more",0').replace("2.5", "x"),
            r"row 2 \(line 4 of the file\): 'x'",
        ),
        (PLAIN.replace("2.5", "inf"), r"line 3 of the file\): inf is not a finite number"),
        (PLAIN.replace("2.5", '"1,234,5"'), r"line 3 of the file\): '1,234,5' is not a number"),
        (PLAIN.replace("2.5", '"12,345,67"'), r"line 3 of the file\): '12,345,67' is not a number"),
        (
            PLAIN.replace("2.5", "-1e75"),
            r"line 3 of the file\): '-1e75' is too large: expected less than 1e\+75",
        ),
        (PLAIN.replace("2.5", "2.5,9"), r"runs.csv, line 3: 5 fields, the header has 4"),
        (PLAIN.replace("hopper,2.5", "hopper"), r"column score, row 2 \(line 3 of the file\): is empty"),
        (PLAIN.replace("sac,1", ",1"), r"column method, row 2 \(line 3 of the file\): is empty"),
        (
            "method,seed,task,episode,score\na,0,t,3,1\n\na,0,t,3,2\n",
            r"row 1 \(line 2 of the file\) and row 3 \(line 4 of the file\): this episode comes more",
        ),
        (HEAD.replace("score", "score,score") + "a,0,t,1,2\n", r"2 columns score \(columns 4 and 5\)"),
        (HEAD.replace("score", "score, Score ") + "a,0,t,1,2\n", r"2 columns score \(columns 4 and 5\)"),
        (HEAD, "has a header but no rows"),
        (" \n\t\n", "is empty"),
        (b"\x00\x01\x02\x03" * 99, "is no text, parquet or JSON"),
        (b"PK\x03\x04" + b"x" * 99, "zip archive or an Excel workbook"),
        (gzip.compress(PLAIN.encode(), mtime=0)[:-9], "is damaged: its gzip stream"),
        ("method\tseed\ttask\tscore\na\t0\tt\t1,234\n", "1,234 may be 1.234 or 1234; say which by --decimal"),
        ("method;seed;task;score\na;0;t;0,5\nb;0;t;0.7\n", r"decimal commas \(0,5\) and points \(0.7\)"),
    ],
)
def test_what_cannot_be_read_is_refused(door, content, why):
    with pytest.raises(TableError, match=why):
        door(content)


def test_a_doubtful_decimal_mark_is_the_user_s_to_say(door):
    text = "method\tseed\ttask\tscore\na\t0\tt\t1,234\na\t1\tt\t2,500\n"
    assert [row[-1] for row in cells(door(text, decimal=","))] == [1.234, 2.5]
    assert [row[-1] for row in cells(door(text, decimal="."))] == [1234.0, 2500.0]
    german = "method;seed;task;score\na;0;t;1.234,5\na;1;t;-0,25\n"
    assert [row[-1] for row in cells(door(german))] == [1234.5, -0.25]


def test_parquet_arrow_and_json(door, tmp_path):
    frame = pl.DataFrame(ROWS, schema=["method", "seed", "task", "score"], orient="row")
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_ipc(tmp_path / "a.arrow")
    frame.write_json(tmp_path / "a.json")
    frame.write_ndjson(tmp_path / "a.jsonl")
    for name in ("a.parquet", "a.arrow", "a.json", "a.jsonl"):
        assert cells(read(tmp_path / name)) == ROWS
    broken = (tmp_path / "a.parquet").read_bytes()[:-40]
    with pytest.raises(TableError, match=r"b.parquet is damaged"):
        door(broken, "b.parquet")


def test_a_name_with_glob_signs_is_a_name(tmp_path):
    frame = pl.DataFrame(ROWS, schema=["method", "seed", "task", "score"], orient="row")
    for name, rows in (("s*.parquet", frame[:2]), ("s2.parquet", frame)):
        rows.write_parquet(tmp_path / name)
    assert len(read(tmp_path / "s*.parquet").episodes) == 2


def test_scores_outside_the_range_are_refused(door):
    with pytest.raises(
        TableError, match=r"row 4 \(line 5 of the file\): -4.125 lies outside --score-range 0 3"
    ):
        door(PLAIN, score_range=(0.0, 3.0))
    for low, high in ((1, 0), (0, float("inf")), (float("nan"), 1), (2, 2)):
        with pytest.raises(TableError, match="expected two finite numbers, LOW < HIGH"):
            door(PLAIN, score_range=(low, high))


NOTES = ["method,seed,task,score,note", *(f"{m},{s},p,{s}.5,n" for m in "ab" for s in range(4))]


@pytest.mark.parametrize("opened", [{3: '"to be rerun'}, {3: '"to be', 6: '"again'}])
def test_a_quotation_mark_that_is_not_closed_takes_no_rows_with_it(door, opened):
    rows = [line.replace(",n", f",{opened[i]}") if i in opened else line for i, line in enumerate(NOTES)]
    with pytest.raises(TableError, match=r"runs.csv, line 4: a quotation mark there is not closed"):
        door("\n".join(rows) + "\n")


@pytest.mark.parametrize(
    "note", ['"two\nlines"', '"two\n#lines"', '"{\n ""a"": 1\n}"', '5" net', '"said" so']
)
def test_a_note_of_several_lines_or_with_quotation_marks_is_one(door, note):
    rows = [line.replace(",n", f",{note}") if i == 3 else line for i, line in enumerate(NOTES)]
    assert len(door("\n".join(rows) + "\n").episodes) == 8


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (HEAD + "".join(f"{m},{s},{t},{v},\n" for m, s, t, v in ROWS), "behind the others"),
        (
            HEAD + "".join(f"{i},{m},{s},{t},{v}\n" for i, (m, s, t, v) in enumerate(ROWS)),
            "before the others",
        ),
        (  # as R's write.table has it
            '"method" "seed" "task" "score"\n'
            + "".join(f'"{i}" "{m}" {s} "{t}" {v}\n' for i, (m, s, t, v) in enumerate(ROWS)),
            "before the others",
        ),
    ],
)
def test_a_column_without_a_name_is_left_out_and_said(door, content, said):
    reading = door(content)
    assert cells(reading) == ROWS
    assert any(said in text for text in reading.said)


def test_a_comma_in_a_name_is_no_column_without_a_name(door):
    with pytest.raises(TableError, match=r"line 2: 5 fields, the header has 4"):
        door(HEAD + "a(lr=1,b=2),0,t,1\na(lr=1,b=2),1,t,2\n")


def test_blanks_within_quotes_separate_nothing(door):
    assert door('method seed task score\n"my net" 0 t 1\n"my net" 1 t 2\n').episodes["method"][0] == "my net"


RECORDS = [dict(zip(("method", "seed", "task", "score"), row, strict=True)) for row in ROWS]


@pytest.mark.parametrize(
    "content",
    [
        {name: {str(i): row[name] for i, row in enumerate(RECORDS)} for name in RECORDS[0]},
        {"columns": list(RECORDS[0]), "index": [0, 1, 2, 3], "data": [list(row) for row in ROWS]},
        {"schema": {"fields": []}, "data": RECORDS},
    ],
    ids=["default", "split", "table"],
)
def test_what_pandas_writes_as_json(door, content):
    assert cells(door(json.dumps(content), "runs.json")) == ROWS


def test_json_lines_that_were_cut_short_are_refused_with_their_line(door):
    text = "\n".join(map(json.dumps, RECORDS)) + '\n{"method": "sa'
    with pytest.raises(TableError, match=r"runs.jsonl, line 5 is no JSON: was it cut short\?"):
        door(text, "runs.jsonl")
    for nothing in ("{}", "[]"):
        with pytest.raises(TableError, match="is JSON but no table"):
            door(nothing, "runs.json")


@pytest.mark.parametrize("seed", ["18446744073709551615", "1.7e18"])
def test_a_number_that_is_too_large_is_not_called_broken(door, seed):
    with pytest.raises(TableError, match="is not a whole number that 64 bits hold exactly"):
        door(PLAIN.replace("sac,1", f"sac,{seed}"))
