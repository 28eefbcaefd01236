"""Frames as files: what was written reads back the same."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import fabricated as made
import pandas as pd
import pytest

import bench
from bench.errors import StoreError, UsageError
from bench.frame.files import Rows

PHONE = made.phone()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two ok trials and a failed one; a name that CSV has to quote."""
    odd = made.model('a,"b"\n=1', family=None, macs=None)
    models = [*made.MOBILENETS[:2], odd]
    trials = [*made.grid([PHONE], models[:2]), made.failed(PHONE, odd)]
    return made.write_run(tmp_path / "results", [PHONE], models, trials)


def test_csv_reads_back_the_same(run: Path, tmp_path: Path) -> None:
    file = bench.export(run, tmp_path / "trials.csv")
    frame, read = bench.load(run), pd.read_csv(file)
    assert list(read.columns) == list(frame.columns)
    assert read["model"].tolist() == frame["model"].tolist()
    assert read["median_us"].dropna().tolist() == frame["median_us"].dropna().tolist()
    assert read["macs"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize("rows", ["trials", "samples", "cells", "ops", "series"])
def test_json_has_an_object_a_row_and_null_for_what_is_not_told(
    run: Path, tmp_path: Path, rows: Rows
) -> None:
    whole = json.loads(bench.export(run, tmp_path / "x.json", rows).read_text())
    lines = bench.export(run, tmp_path / "x.jsonl", rows).read_text().splitlines()
    assert [json.loads(line) for line in lines if line] == whole
    assert len(whole) == {"trials": 3, "samples": 64, "cells": 3, "ops": 0, "series": 0}[rows]
    if rows == "trials":
        assert whole[2]["median_us"] is None
        assert whole[0]["virtual"] is False
        assert whole[0]["started_at"].startswith("2026-11-24T07:00:00")


def test_parquet_reads_back_the_same_or_says_what_to_install(run: Path, tmp_path: Path) -> None:
    if find_spec("pyarrow") is None:
        with pytest.raises(UsageError, match="pip install pyarrow"):
            bench.export(run, tmp_path / "x.parquet")
        assert not (tmp_path / "x.parquet").exists()
    else:
        read = pd.read_parquet(bench.export(run, tmp_path / "x.parquet"))
        frame = bench.load(run)
        assert read["model"].astype(str).tolist() == frame["model"].astype(str).tolist()
        assert read["median_us"].dropna().tolist() == frame["median_us"].dropna().tolist()
        assert read["macs"].dtype == frame["macs"].dtype


def test_a_wrong_ending_or_kind_of_row_is_one_error(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'.*' does not end like a format.*End it with \.csv"):
        bench.export(run, tmp_path / "x.xlsx")
    with pytest.raises(UsageError, match="Name trials, samples"):
        bench.export(run, tmp_path / "x.csv", "rows")  # type: ignore[arg-type]


def test_a_place_that_can_not_be_written_is_one_error_and_leaves_nothing(
    run: Path, tmp_path: Path
) -> None:
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(StoreError, match="can't write"):
        bench.export(run, tmp_path / "x.csv")
    assert not list(tmp_path.glob(".export-*"))
