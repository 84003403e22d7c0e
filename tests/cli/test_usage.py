"""How commands are used: help, errors, exit status, completion."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest

from flowkit.cli import _models, commands
from flowkit_command import _parser, main
from flowkit_command._completion import completion_script

from .conftest import call, make_table

COMMANDS = list(_parser._COMMANDS)


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_has_examples_that_can_be_read(command):
    done = call(*([] if command is None else [command]), "--help")
    assert done.status == 0
    parser = _parser.build_parser()
    lines = done.out.split("examples:\n")[1].split("\n\n")[0].splitlines()
    examples = [line for line in lines if line.startswith("  flowkit ")]
    for example in examples:
        command_line = re.split(r" > | {2,}", example.strip())[0]
        parser.parse_args(command_line.split()[1:])
    assert examples or command == "completion"


def test_help_and_completion_load_nothing_heavy():
    code = (
        "import sys\nfrom flowkit_command import main\n"
        "main(['completion', 'bash'])\n"
        "try:\n    main(['fit', '--help'])\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('torch', 'sklearn', 'flowkit') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["fit", "table.csv"],
        ["detect", "table.csv", "--top", "0"],
        ["fit", "table.csv", "-o", "x.flow", "--max-time", "-1"],
        ["detect", "table.csv", "--train", "a.csv", "--model", "b.flow"],
        ["sample", "density.flow", "--seed", "-1"],
        ["fit", "table.csv", "-o", "x.flow", "--seed", str(2**32)],
        ["fit", "table.csv", "-o", "x.flow", "--separator", "ab"],
        ["fit", "table.csv", "-o", "x.flow", "--separator", ""],
    ],
    ids=str,
)
def test_wrong_use_has_status_2(arguments):
    done = call(*arguments)
    assert done.status == 2
    assert "usage: flowkit" in done.err


def test_errors_are_one_line_without_a_traceback(files):
    for arguments, status in (
        (("score", files.density, "none.csv"), 1),
        (("score", files.table, files.table), 1),
        (("score", files.density, files.table, "-o", "scores.pdf"), 2),
        (("sample", files.detector), 2),
        (("sample", files.density, "--given", "size"), 2),
        (("detect", files.table, "--model", files.density), 2),
        (("fit", files.table, "--drop", "nothing", "-o", "x.flow"), 2),
        (("fit", files.table, "--kinds", "n=whole", "-o", "x.flow"), 2),
    ):
        done = call(*arguments)
        assert done.status == status, done
        assert done.err.startswith("flowkit: error: ")
        assert len(done.err.splitlines()) == 1
        assert done.out == ""


@pytest.mark.parametrize("command", ["fit", "score", "detect", "sample", "report"])
@pytest.mark.parametrize(
    ("place", "told"), [("none/here", "there is no folder"), ("taken", "is a folder")]
)
def test_files_that_cannot_be_written_are_refused_before_any_work(
    files, tmp_path, monkeypatch, command, place, told
):
    ending = {"fit": "flow", "report": "html"}.get(command, "csv")
    path = tmp_path / f"{place}.{ending}"
    (tmp_path / f"taken.{ending}").mkdir()
    for name in ("load", "read_table"):
        monkeypatch.setattr(_models, name, lambda *_, **__: pytest.fail("it worked before"))
    data = {"score": (files.density, files.table), "sample": (files.density,)}
    done = call(command, *data.get(command, (files.table,)), "--output", path)
    assert done.status == 1
    assert f"{str(path)!r}" in done.err
    assert told in done.err
    assert sorted(tmp_path.rglob("*")) == [tmp_path / f"taken.{ending}"]


OWN_INPUTS = {
    "fit": lambda files: (files.table,),
    "score": lambda files: (files.density, files.table),
    "score, over its model": lambda files: (files.table, files.density),
    "detect": lambda files: (files.table,),
    "detect, over its rows": lambda files: (files.density, "--train", files.table),
    "detect, over its model": lambda files: (files.density, "--model", files.table),
    "sample": lambda files: (files.table,),
    "report": lambda files: (files.table,),
    "report, over its model": lambda files: (files.density, "--model", files.table),
}


@pytest.mark.parametrize("case", OWN_INPUTS)
def test_no_command_replaces_a_file_that_it_reads(case, files, tmp_path):
    other = tmp_path / "other.csv"
    other.symlink_to(files.table)
    before = files.table.read_bytes()
    for path in (files.table, files.folder / ".." / files.folder.name / "table.csv", other):
        done = call(case.split(",")[0], *OWN_INPUTS[case](files), "--output", path)
        assert done.status == 2
        assert f"--output {str(path)!r} would replace" in done.err
    assert files.table.read_bytes() == before


def test_debug_shows_the_traceback(files):
    assert "Traceback" in call("score", files.density, "none.csv", "--debug").err


def test_columns_of_the_model_that_lack_are_named(files):
    other = files.folder / "lacking.csv"
    other.write_text("size,weight\nsmall,1\n")
    done = call("score", files.density, other)
    assert done.status == 1
    assert "lacks 'n'" in done.err


def test_missing_values_are_told_where_the_model_has_seen_none(files):
    lacking = files.folder / "missing.csv"
    make_table().assign(weight=[None, *range(59)]).to_csv(lacking, index=False)
    for model in (files.density, files.detector):
        done = call("score", model, lacking)
        assert done.status == 1
        assert "lacks values of column 'weight'" in done.err


def test_unforeseen_errors_are_one_line_too(monkeypatch, files):
    monkeypatch.setitem(commands.COMMANDS, "sample", lambda options: 1 / 0)
    done = call("sample", files.density)
    assert done.status == 1
    assert (
        done.err == "flowkit: error: ZeroDivisionError: division by zero (--debug shows where.)\n"
    )


def test_notes_are_told_once_and_not_when_quiet(files):
    table = files.folder / "heavy.csv"
    rows = [f"{i * 0.37 % 1:.5f},{1 if i % 4 else i / 7:.5f}" for i in range(1, 61)]
    table.write_text("a,b\n" + "\n".join(rows) + "\n")
    arguments = ("fit", table, "--kinds", "b=continuous", "--max-epochs", 1, "-o")
    told = call(*arguments, files.folder / "heavy.flow").err.splitlines()
    assert any(line.startswith("flowkit: note: column b holds 1") for line in told)
    assert len(set(told)) == len(told)
    assert call(*arguments, files.folder / "heavy.flow", "--quiet").err == ""


def test_completion_knows_every_command_and_option():
    parser = _parser.build_parser()
    for shell in _parser.SHELLS:
        script = completion_script(parser, shell)
        assert all(f"{name}) words=" in script for name in COMMANDS)
        assert "--max-epochs" in script
        assert call("completion", shell).out == script


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash runs it")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["det"], ["detect"]),
        (["fit", "--est"], ["--estimator"]),
        (["fit", "--estimator", ""], ["density", "detector"]),
        (["completion", "z"], ["zsh"]),
    ],
    ids=str,
)
def test_bash_completes(words, completed):
    script = completion_script(_parser.build_parser(), "bash").replace("complete -o", ": -o")
    line = " ".join(f'"{word}"' for word in ["flowkit", *words])
    call_it = f"COMP_WORDS=({line}); COMP_CWORD={len(words)}; _flowkit"
    code = f'{script}\n{call_it}; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == completed


def test_the_demo_is_the_tour(monkeypatch):
    told = []
    monkeypatch.setattr(commands, "run_demo", told.append)
    assert main(["demo", "--quick", "--output", "here"]) == 0
    assert told == [["--output", "here", "--quick"]]
