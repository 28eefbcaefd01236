"""docs/formats.md tells every field and every column, and no other."""

from __future__ import annotations

import re
import typing
from pathlib import Path

import fabricated as made
import msgspec
import pandas as pd
import pytest

import bench
from bench import records
from bench.frame import columns

PAGE = (Path(__file__).parents[1] / "docs" / "formats.md").read_text(encoding="utf-8")
SECTIONS = {
    found[1]: found[2]
    for found in re.finditer(r"^#{2,3} (.*?)\n(.*?)(?=^#{2,3} |\Z)", PAGE, re.MULTILINE | re.DOTALL)
}
ON_DISK = (records.Plan, dict[str, records.Device], dict[str, records.Model], records.Trial)
FRAMES = {
    "load: one row a trial": columns.TRIAL_COLUMNS,
    "load_samples: one row a sample": columns.SAMPLE_COLUMNS,
    "load_series: one row a reading": columns.SERIES_COLUMNS,
    "load_cells: one row a device, model and config": columns.CELL_COLUMNS,
    "load_ops: one row an operator": columns.OP_COLUMNS,
    "compare(...).frame(): one row a pair": columns.PAIR_COLUMNS,
}


def rows(section: str) -> list[list[str]]:
    """The rows of a section's table without its head."""
    lines = [line for line in SECTIONS[section].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def on_disk() -> list[type[records.Record]]:
    """Every record that a file can hold, however deep."""
    found: dict[type[records.Record], None] = {}
    left: list[object] = list(ON_DISK)
    while left:
        kind = left.pop(0)
        left += typing.get_args(kind)
        if isinstance(kind, type) and issubclass(kind, records.Record) and kind not in found:
            found[kind] = None
            left += typing.get_type_hints(kind).values()
    return list(found)


@pytest.mark.parametrize("kind", on_disk(), ids=lambda kind: kind.__name__)
def test_every_field_on_disk_is_told_in_order(kind: type[records.Record]) -> None:
    assert [row[0] for row in rows(kind.__name__)] == list(kind.__struct_fields__)


@pytest.mark.parametrize("section", FRAMES)
def test_every_column_is_told_with_its_type_and_meaning(section: str) -> None:
    told = [[column.name, column.shown_kind, column.meaning] for column in FRAMES[section]]
    assert rows(section) == told


def test_files_told_are_those_that_are_written(tmp_path: Path) -> None:
    phone, net = made.phone(), made.MOBILENETS[0]
    trial = made.trial(phone, net)
    run = made.write_run(tmp_path, [phone], [net], [trial], tries=[trial])
    bench.render_report(run)
    told = re.findall(r"^  (\S+?)(?:/<key>\.txt)?  ", SECTIONS["A run's folder"], re.MULTILINE)
    written = {path.name for path in run.iterdir() if not path.name.startswith(".")}
    assert written == set(told)


def test_trials_are_read_without_bench_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone, net = made.phone(), made.MOBILENETS[0]
    trials = [made.trial(phone, net), made.failed(phone, net, repetition=2)]
    run = made.write_run(tmp_path / "results", [phone], [net], trials)
    monkeypatch.chdir(tmp_path)
    code = re.search(r"```python\n(.*?)```", SECTIONS["Without bench"], re.DOTALL)
    assert code is not None
    names: dict[str, typing.Any] = {}
    exec(code[1], names)  # noqa: S102 -- the page's own code
    assert isinstance(names["samples"], pd.Series)
    assert len(names["samples"]) == 30
    assert sorted(names["samples"]) == sorted(
        bench.load_samples(run).query("phase == 'sample'")["latency_us"]
    )


def test_a_record_survives_its_way_to_disk_and_back() -> None:
    passes = {"memory": made.memory_pass(), "energy": made.energy(), "sustained": made.sustained()}
    trial = made.trial(made.phone(), made.MOBILENETS[0], series=made.series(5), **passes)
    for record in (made.phone(), made.MOBILENETS[0], trial):
        assert msgspec.json.decode(records.encode(record), type=type(record)) == record
