"""What the verbs have in common: how they print, end, and refuse what makes no sense."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from tiny_models import conv_net
from typer.testing import CliRunner

from bench.cli import app
from bench.cli.screen import print_table
from bench.errors import UsageError

BENCH = [sys.executable, "-c", "from bench.cli import main; main()"]
COLUMNS = ("device", "model", "median ms", "")
ROW = ("Virtual Flagship [virtual]", "mobilenet_v1_" * 12, 1.04, None)


def test_what_a_flag_asks_of_no_model_is_an_error():
    for words, part in [
        (["--layers"], "no model is named"),
        (["--host-runtime", "ai-edge-litert"], "no model is named"),
        (["net.tflite", "--layers", "--host-runtime", "ai-edge-litert"], "at once"),
    ]:
        with pytest.raises(UsageError, match=part):
            CliRunner().invoke(app, ["models", *words], catch_exceptions=False)


def test_ctrl_c_is_told_and_ends_with_130(monkeypatch):
    def interrupted(json):
        raise KeyboardInterrupt

    monkeypatch.setattr("bench.cli.models._print_families", interrupted)
    said = CliRunner().invoke(app, ["models"])
    assert (said.exit_code, said.stderr) == (130, "Interrupted.\n")


@pytest.mark.parametrize("words", [["--version"], ["models", "--json"], ["models"]])
def test_output_that_can_not_be_written_is_one_error(words):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*BENCH, *words], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
            check=False,
        )  # fmt: skip
    told = "Error: what is printed can't be written: No space left on device.\n"
    assert (done.returncode, done.stderr) == (1, told)


def test_a_reader_that_has_had_enough_is_no_error():
    with subprocess.Popen(
        [*BENCH, "models"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as listing:
        listing.stdout.close()
        assert listing.wait(timeout=60) == 1
        assert listing.stderr.read() == ""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_a_stream_that_was_closed_is_no_error(closed):
    done = subprocess.run(
        ["sh", "-c", f'"$@" {closed}', "sh", *BENCH, "models"], capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert ("mobilenet_v1" in done.stdout) == (closed != ">&-")


def test_a_character_that_the_terminal_lacks_is_spelled_out(tmp_path):
    (tmp_path / "né.tflite").write_bytes(conv_net())
    done = subprocess.run(
        [*BENCH, "models", "né.tflite"], cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"}, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "n\\xe9" in done.stdout


def test_a_row_is_one_line_without_blanks_at_its_end_where_output_is_piped(capsys):
    print_table(COLUMNS, [ROW, ("b", "c", None, "too few repetitions " * 8)])
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 3
    assert all(line == line.rstrip() for line in told)
    assert ROW[1] in told[1]


def test_a_row_is_a_paragraph_where_a_terminal_is_too_narrow_for_a_table(capsys, monkeypatch):
    monkeypatch.setattr("bench.cli.screen.console", lambda: Console(width=44))
    print_table(COLUMNS, [ROW, ("b", "c", 2.0, "why")])
    assert capsys.readouterr().out.splitlines() == [
        "device: Virtual Flagship [virtual]",
        f"  model: {ROW[1]}",
        "  median ms: 1.04",
        "device: b  model: c  median ms: 2  why",
    ]
