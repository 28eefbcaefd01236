"""DuckDB reads a results folder without us, by the query of docs/formats.md as it stands."""

import re
from pathlib import Path

import duckdb
import fabricated as made
import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "formats.md").read_text()
WITHOUT_US = PAGE.partition("## Without bench")[2].partition("\n## ")[0]


@pytest.fixture
def beside_results(tmp_path, monkeypatch):
    """A folder with results of two models, one of whose trials failed."""
    models = made.MOBILENETS[:2]
    trials = made.grid([made.phone()], models, repetitions=2)
    trials.append(made.failed(made.phone(), models[0]))
    made.write_run(tmp_path / "results", [made.phone()], models, trials, repetitions=2)
    monkeypatch.chdir(tmp_path)
    return [t for t in trials if t.measurement is not None]


def sql():
    (code,) = re.findall(r"```sql\n(.*?)```", WITHOUT_US, re.DOTALL)
    return code


def test_duckdb_reads_the_medians(beside_results):
    rows = duckdb.sql(sql()).fetchall()
    assert sorted(model for model, _, _ in rows) == sorted({t.model for t in beside_results})
    assert all(median_ms > 0 for _, _, median_ms in rows)
