"""What is told beside the latency: tries, waiting, memory, sustained runs, series, the host."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import fabricated as made
import msgspec
import pytest

import bench
from bench import stats
from bench.errors import StoreError
from bench.frame import columns
from bench.records import Check, Energy, MemoryAt, Moment, Output, Sustained, Trial, Usage

PHONE, NET = made.phone(), made.MOBILENETS[0]


def write(results: Path, *trials: Trial, tries: tuple[Trial, ...] = ()) -> Path:
    return made.write_run(results, [PHONE], [NET], trials, repetitions=len(trials), tries=tries)


@pytest.fixture
def retried(tmp_path: Path) -> Path:
    """A trial that was throttled twice, another trial, and tries whose end is still to come."""
    tries = [
        made.trial(PHONE, NET, repetition=rep, tries=n, doubts=(made.THROTTLED,),
                   series=made.series(3))
        for rep, n in ((1, 1), (1, 2), (3, 1))
    ]  # fmt: skip
    trial = made.trial(PHONE, NET, tries=3, waited_s=190.5, waited_for=("hot start", "throttled"))
    return write(tmp_path, made.trial(PHONE, NET, repetition=2), trial, tries=tuple(tries))


def test_only_final_trials_are_rows_unless_tries_are_asked_for(retried: Path) -> None:
    assert bench.load(retried)["final"].all()
    frame = bench.load(retried, tries=True)
    assert list(zip(frame["repetition"], frame["tries"], frame["final"], strict=True)) == [
        (2, 1, True), (1, 1, False), (1, 2, False), (1, 3, True), (3, 1, False),
    ]  # fmt: skip
    assert frame["doubts"].tolist() == ["", "throttled", "throttled", "", "throttled"]


def test_waiting_is_told_with_what_was_waited_for(retried: Path) -> None:
    row = bench.load(retried).set_index("repetition").loc[1]
    assert (row["waited_s"], row["waited_for"]) == (190.5, "hot start, throttled")


def test_samples_and_series_of_tries_are_told_apart_by_their_number(retried: Path) -> None:
    for read in (bench.load_samples, bench.load_series):
        assert set(read(retried, tries=True)["tries"]) == {1, 2, 3} - (
            {3} if read is bench.load_series else set()
        )
    assert len(bench.load_series(retried)) == 0
    assert bench.load_samples(retried).groupby("key", observed=True).ngroups == 2


def test_cells_and_their_repetitions_do_not_count_tries(retried: Path) -> None:
    cells = bench.load_cells(retried)
    assert cells[["trials", "repetitions"]].to_numpy().tolist() == [[2, 2]]


def test_memory_after_each_step_has_a_column_and_the_baseline_its_own(tmp_path: Path) -> None:
    memory = made.memory_pass(load=MemoryAt(peak_kb=7, pss_kb=None))
    row = bench.load(write(tmp_path, made.trial(PHONE, NET, memory=memory))).iloc[0]
    assert (row["memory_baseline_pss_kb"], row["memory_steady_pss_kb"]) == (1_500, 24_500)
    assert row["memory_load_peak_kb"] == 7
    assert row.isna()["memory_load_pss_kb"]


def test_a_sustained_run_has_figures_and_samples_of_its_own(tmp_path: Path) -> None:
    run = made.sustained(seconds=180, slower=1.5)
    folder = write(tmp_path, made.trial(PHONE, NET, sustained=run))
    row, ends = bench.load(folder).iloc[0], stats.sustained(run.samples_us)
    assert ends is not None
    assert row["sustained_ratio"] == ends.ratio == pytest.approx(1.5, abs=0.01)
    assert row["sustained_last_minute_us"] == ends.last
    assert row["sustained_s"] == pytest.approx(225, rel=0.01)
    assert row["samples"] == 30
    phases = bench.load_samples(folder)["phase"].value_counts().to_dict()
    assert phases == {"sustained": 1_800, "sample": 30, "warm-up": 2}


def test_a_sustained_run_of_one_inference_tells_no_ratio(tmp_path: Path) -> None:
    trial = made.trial(PHONE, NET, sustained=Sustained(samples_us=(5e6,)))
    row = bench.load(write(tmp_path, trial)).iloc[0]
    assert row["sustained_s"] == 5
    assert row[["sustained_first_minute_us", "sustained_ratio"]].isna().all()


def test_what_others_kept_busy_is_told_and_never_below_nothing(tmp_path: Path) -> None:
    for busy_us, cores in ((2.5e6, 1.5), (0.9e6, 0.0)):
        usage = Usage(wall_us=1e6, own_us=1e6, busy_us=busy_us)
        measured = made.measurement(made.samples_around(100.0), usage=usage)
        folder = write(tmp_path, made.trial(PHONE, NET, measurement=measured))
        assert bench.load(folder)["background_busy_cores"].tolist() == [cores]


def test_outputs_held_against_the_hosts_are_not_the_models_own_check(tmp_path: Path) -> None:
    check = Check(runtime="ai-edge-litert", snr_db=31.5, top1_agreement=0.5, reason="far off")
    row = bench.load(write(tmp_path, made.trial(PHONE, NET, check=check))).iloc[0]
    told = ("host_snr_db", "host_top1_agreement", "host_check_reason")
    assert [row[name] for name in told] == [31.5, 0.5, "far off"]
    assert row[["check_snr_db", "check_reason"]].isna().all()


def test_a_series_has_a_row_a_reading_with_the_columns_of_its_source(tmp_path: Path) -> None:
    moment = Moment(at_s=1.5, current_khz={"0": 5, "4": 7}, max_khz={"4": 8},
                    temps_c={"skin": 30.5}, current_ma=-20.0)  # fmt: skip
    folder = write(tmp_path, made.trial(PHONE, NET, series=(Moment(at_s=0), moment)))
    frame = bench.load_series(folder)
    assert list(frame.columns) == [column.name for column in columns.SERIES_COLUMNS]
    for column in columns.SERIES_COLUMNS:
        assert str(frame[column.name].dtype) == column.kind
    assert set(frame["at_s"]) == {1.5}
    figures = frame.set_index("source")[["current_khz", "max_khz", "temp_c", "current_ma"]]
    told = figures.astype("Float64").fillna(-1.0).to_dict("index")
    assert {source: list(row.values()) for source, row in told.items()} == {
        "core 0": [5, -1, -1, -1],
        "core 4": [7, 8, -1, -1],
        "skin": [-1, -1, 30.5, -1],
        "gauge": [-1, -1, -1, -20],
    }


def test_each_series_of_a_trial_is_a_phase(tmp_path: Path) -> None:
    trial = made.trial(
        PHONE, NET, series=made.series(5, 3), energy=made.energy(), sustained=made.sustained()
    )
    frame = bench.load_series(write(tmp_path, trial))
    read = frame.groupby("phase", observed=False)["at_s"].nunique().to_dict()
    assert read == {"trial": 3, "energy idle": 20, "energy busy": 20, "sustained": 60}
    assert frame[frame["current_ma"].notna()]["source"].unique().tolist() == ["gauge"]


def test_a_cell_is_doubted_for_what_only_its_repetitions_show_together(tmp_path: Path) -> None:
    other = (Output(name="probabilities", type="float32", bytes=4004, crc32="deadbeef"),)
    slow = made.measurement(made.samples_around(12_000.0, seed=2), outputs=other)
    pair = made.trial(PHONE, NET), made.trial(PHONE, NET, repetition=2, measurement=slow)
    trials = [msgspec.structs.replace(one, memory=made.memory_pass()) for one in pair]
    folder = write(tmp_path, *trials)
    assert bench.load(folder)["doubts"].tolist() == ["", ""]
    (cell,) = bench.load_cells(folder).to_dict("records")
    assert cell["doubts"] == "outputs differ, repetitions differ"
    assert cell["memory_steady_pss_kb"] == 24_500


def test_the_energy_of_an_inference_is_told_with_its_interval_or_why_not(tmp_path: Path) -> None:
    told, not_told = made.energy(), Energy(not_told="the battery is charging")
    trials = [made.trial(PHONE, NET, repetition=n, energy=e) for n, e in ((1, told), (2, not_told))]
    folder = write(tmp_path, *trials, made.trial(PHONE, NET, repetition=3))
    one, other, unasked = (row for _, row in bench.load(folder).iterrows())
    assert one["energy_mj"] == pytest.approx(28, rel=0.02)  # 0.7 A, 4 V, 10 ms
    assert one["energy_low_mj"] < one["energy_mj"] < one["energy_high_mj"]
    assert one["energy_net_mj"] == pytest.approx(20, rel=0.03)
    assert one["energy_net_low_mj"] < one["energy_net_mj"] < one["energy_net_high_mj"]
    assert one["energy_source"] == "power_supply"
    assert other["energy_not_told"] == "the battery is charging"
    assert other[["energy_mj", "energy_net_high_mj", "energy_source"]].isna().all()
    assert unasked[["energy_mj", "energy_not_told"]].isna().all()
    (cell,) = bench.load_cells(folder).to_dict("records")
    assert (cell["energy_mj"], cell["energy_high_mj"]) == (one["energy_mj"], one["energy_high_mj"])
    assert cell["energy_net_mj"] == one["energy_net_mj"]


def test_a_cells_energy_covers_that_of_every_repetition(tmp_path: Path) -> None:
    trials = [
        made.trial(PHONE, NET, repetition=n, energy=made.energy(busy_ma=ma))
        for n, ma in enumerate((700, 800, 1_000))
    ]
    folder = write(tmp_path, *trials)
    (cell,), rows = bench.load_cells(folder).to_dict("records"), bench.load(folder)
    assert cell["energy_mj"] == rows["energy_mj"].median()
    assert cell["energy_low_mj"] == rows["energy_low_mj"].min()
    assert cell["energy_high_mj"] == rows["energy_high_mj"].max()


def test_temperatures_come_a_column_a_sensor_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "results" / "mobilenet", made.trial(PHONE, NET, series=made.series(5, 6)))
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[1] / "docs" / "formats.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(series = .*?)```", page, re.DOTALL)
    *lines, last = ast.parse(code).body
    names: dict[str, Any] = {"bench": bench}
    exec(ast.unparse(ast.Module(lines, [])), names)  # noqa: S102 -- the page's own code
    table = eval(ast.unparse(last), names)  # noqa: S307 -- the same
    assert list(table.columns) == ["cpu-0-0", "skin"]
    assert len(table) == 6
    assert table["skin"].iloc[-1] == 34


def test_a_clock_beyond_64_bits_is_an_error_and_no_traceback(tmp_path: Path) -> None:
    moment = Moment(at_s=1.0, max_khz={"4": 10**30})
    with pytest.raises(StoreError, match="column max_khz"):
        bench.load_series(write(tmp_path, made.trial(PHONE, NET, series=(moment,))))
