"""Trials, samples and cells as pandas frames."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import fabricated as made
import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bench
from bench import stats
from bench.errors import StoreError
from bench.frame import columns
from bench.frame.latency import statistics
from bench.records import Config, OpTime, Published

PHONE, VIRTUAL = made.phone(), made.virtual_phone()


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two runs of two sweeps: a phone and a virtual one, a failure and a doubt."""
    models = [*made.MOBILENETS[:2], made.SHUFFLENETS[0]]
    trials = made.grid([PHONE, VIRTUAL], models, repetitions=2)
    trials[1] = msgspec.structs.replace(trials[1], doubts=(made.WIDE,))
    trials.append(made.failed(PHONE, models[0], repetition=3))
    made.write_run(tmp_path, [PHONE, VIRTUAL], models, trials, repetitions=3)
    mine = made.model("mine", family=None, quantization=None, macs=None, params=None)
    made.write_run(tmp_path, [PHONE], [mine], [made.trial(PHONE, mine)], name="own")
    return tmp_path


def test_load_gives_one_row_a_trial_with_the_documented_columns_and_types(results: Path) -> None:
    frame = bench.load(results)
    assert len(frame) == 14
    assert list(frame.columns) == [column.name for column in columns.TRIAL_COLUMNS]
    for column in columns.TRIAL_COLUMNS:
        kind = str(frame[column.name].dtype)
        assert kind.startswith("datetime64") if column.kind == "time" else kind == column.kind


def test_a_folder_of_results_a_sweep_and_a_run_can_all_be_loaded(results: Path) -> None:
    run = next((results / "own").iterdir())
    assert len(bench.load(results)) == 14
    assert len(bench.load(str(results / "own"))) == len(bench.load(run)) == 1
    assert len(bench.load([run, results / "own", results / "widths"])) == 14


def test_statistics_of_a_row_are_those_of_the_stats_room(results: Path) -> None:
    row = bench.load(results).iloc[0]
    first = bench.load_samples(results)
    first = first[(first["key"] == row["key"]) & (first["phase"] == "sample")]
    samples = first["latency_us"].tolist()
    assert row["median_us"] == stats.median(samples)
    assert (row["median_low_us"], row["median_high_us"]) == stats.median_interval(samples)
    assert row["mad_us"] == stats.mad(samples)
    assert row["p99_us"] == stats.percentile(samples, 99)
    assert row["samples"] == len(samples)


@given(
    st.lists(
        st.lists(st.floats(0.1, 1e7), max_size=90) | st.integers(1, 90).map(lambda n: [7.0] * n),
        max_size=6,
    )
)
def test_statistics_on_arrays_agree_with_those_on_lists(trials: list[list[float]]) -> None:
    flat = np.array([sample for samples in trials for sample in samples], dtype=np.float64)
    found = statistics(flat, np.array([len(samples) for samples in trials], dtype=np.int64))
    for place, samples in enumerate(trials):
        if not samples:
            assert found["median_us"][place] is pd.NA
            assert found["samples"][place] is pd.NA
            continue
        interval = stats.median_interval(samples)
        assert found["median_us"][place] == stats.median(samples)
        assert found["p90_us"][place] == stats.percentile(samples, 90)
        assert found["mad_us"][place] == stats.mad(samples)
        assert found["min_us"][place] == min(samples)
        if interval is None:
            assert found["median_low_us"][place] is pd.NA
        else:
            assert (found["median_low_us"][place], found["median_high_us"][place]) == interval


def test_a_failed_trial_has_a_reason_and_no_latency(results: Path) -> None:
    frame = bench.load(results)
    failed = frame[frame["status"] == "failed"].iloc[0]
    assert failed["reason"] == "the runtime lacks the operator SEGMENT_SUM"
    assert failed["stage"] == "compile"
    assert failed[["median_us", "median_low_us", "samples", "peak_memory_kb"]].isna().all()


def test_what_is_not_told_is_na_and_not_zero(results: Path) -> None:
    row = bench.load(results / "own").iloc[0]
    assert row[["family", "alpha", "groups", "macs", "params", "quantization"]].isna().all()
    assert row["published_top1_error_pct"] is pd.NA
    assert row["pushed_bytes"] == 0


def test_a_virtual_device_is_virtual_in_its_title_and_in_its_own_column(results: Path) -> None:
    frame = bench.load(results)
    virtual = frame[frame["virtual"]]
    assert len(virtual) == 6
    assert virtual["device"].astype(str).str.contains("[virtual]", regex=False).all()
    assert not frame[~frame["virtual"]]["device"].astype(str).str.contains("virtual").any()


def test_a_trial_and_its_device_must_agree_on_being_virtual(tmp_path: Path) -> None:
    for device in (PHONE, VIRTUAL):
        trial = made.trial(device, made.MOBILENETS[0], virtual=not device.virtual)
        run = made.write_run(tmp_path, [device], made.MOBILENETS[:1], [trial])
        for read in (bench.load, bench.load_cells, bench.load_samples, bench.render_report):
            with pytest.raises(StoreError, match="virtual"):
                read(run)


def test_doubts_are_named_in_one_column(results: Path) -> None:
    doubts = bench.load(results)["doubts"]
    assert doubts.value_counts().to_dict() == {"": 13, "wide": 1}


def test_categories_with_an_order_sort_by_it_and_keep_what_is_beyond(tmp_path: Path) -> None:
    models = [made.model(q, quantization=q) for q in ("int8", "float32", "odd", "float16")]
    trials = [made.trial(PHONE, model) for model in models]
    frame = bench.load(made.write_run(tmp_path, [PHONE], models, trials))
    ordered = frame.sort_values("quantization")["quantization"].tolist()
    assert ordered == ["float32", "float16", "int8", "odd"]


def test_samples_come_one_a_row_with_warm_ups_told_apart(results: Path) -> None:
    frame = bench.load_samples(results)
    assert list(frame.columns) == [column.name for column in columns.SAMPLE_COLUMNS]
    one = frame[(frame["run"] == frame["run"].iloc[0]) & (frame["key"] == frame["key"].iloc[0])]
    assert one["phase"].astype(str).tolist() == ["warm-up"] * 2 + ["sample"] * 30
    assert one["index"].tolist() == [0, 1, *range(30)]
    assert frame.groupby(["sweep", "run", "key"], observed=True).ngroups == 13


def test_samples_join_their_trials(results: Path) -> None:
    joined = bench.load_samples(results).merge(
        bench.load(results)[["sweep", "run", "key", "median_us"]], on=["sweep", "run", "key"]
    )
    assert len(joined) == 13 * 32
    assert joined["median_us"].notna().all()


def test_cells_pool_repetitions_and_count_those_that_failed(results: Path) -> None:
    cells = bench.load_cells(results / "widths")
    assert list(cells.columns) == [column.name for column in columns.CELL_COLUMNS]
    assert len(cells) == 6
    first = cells.iloc[0]
    assert (first["trials"], first["repetitions"], first["samples"]) == (3, 2, 60)
    samples = bench.load_samples(results / "widths")
    samples = samples[(samples["phase"] == "sample") & (samples["model"] == first["model"])]
    samples = samples[samples["device"] == first["device"]]
    pooled = stats.pool([r["latency_us"].tolist() for _, r in samples.groupby("repetition")])
    assert (first["median_us"], first["median_low_us"]) == (pooled.median, pooled.interval.low)


def test_what_another_tool_reported_has_columns_of_its_own(tmp_path: Path) -> None:
    nets = made.MOBILENETS[:2]
    trials = [made.trial(PHONE, nets[0]), made.reported(PHONE, nets[1])]
    run = made.write_run(tmp_path, [PHONE], nets, trials)
    own, other = (row for _, row in bench.load(run).iterrows())
    assert other["reported_by"] == "benchmark_model"
    assert (other["reported_mean_us"], other["first_inference_us"]) == (12_000.0, 18_000.0)
    assert other[["median_us", "samples", "reported_median_us"]].isna().all()
    assert own[["reported_by", "reported_mean_us"]].isna().all()
    assert len(bench.load_samples(run)) == 32
    assert bench.load_cells(run)["median_us"].isna().tolist() == [False, True]


def test_operators_come_one_a_row_with_their_trial(tmp_path: Path) -> None:
    ops = (OpTime(index=0, op="CONV_2D", mean_us=70.5), OpTime(index=1, op="ADD", mean_us=1.0))
    trials = [made.trial(PHONE, made.MOBILENETS[0], ops=ops), made.trial(PHONE, made.MOBILENETS[1])]
    run = made.write_run(tmp_path, [PHONE], made.MOBILENETS[:2], trials)
    frame = bench.load_ops(run)
    assert list(frame.columns) == [column.name for column in columns.OP_COLUMNS]
    assert frame["op"].tolist() == ["CONV_2D", "ADD"]
    assert frame["mean_us"].tolist() == [70.5, 1.0]
    assert set(frame["key"]) == {trials[0].key}


def test_phones_of_one_name_are_told_apart(tmp_path: Path) -> None:
    twins = [made.phone("A1"), made.phone("B2")]
    run = made.write_run(
        tmp_path, twins, made.MOBILENETS[:1], made.grid(twins, made.MOBILENETS[:1])
    )
    assert bench.load(run)["device"].nunique() == 2


def test_two_runs_of_one_question_fall_into_the_same_cells(tmp_path: Path) -> None:
    for repetition in (1, 2):
        trials = [made.trial(PHONE, made.MOBILENETS[0], repetition=repetition)]
        made.write_run(tmp_path, [PHONE], made.MOBILENETS[:1], trials)
    assert len(bench.load_cells(tmp_path)) == 1


def test_different_files_of_one_name_are_different_cells(tmp_path: Path) -> None:
    for content in ("one", "two"):
        model = made.model("net", sha256=made.digest(content))
        made.write_run(tmp_path, [PHONE], [model], [made.trial(PHONE, model)])
    assert len(bench.load_cells(tmp_path)) == 2


def test_a_run_without_a_trial_is_an_empty_frame_with_all_columns(tmp_path: Path) -> None:
    run = made.write_run(tmp_path, [PHONE], [], [])
    assert bench.load(run).shape == (0, len(columns.TRIAL_COLUMNS))
    assert bench.load_samples(run).shape == (0, len(columns.SAMPLE_COLUMNS))
    assert bench.load_cells(run).shape == (0, len(columns.CELL_COLUMNS))
    assert bench.load_series(run).shape == (0, len(columns.SERIES_COLUMNS))


def test_no_results_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no run in .* Name a run"):
        bench.load(tmp_path)


def test_a_trial_of_an_untold_device_or_model_is_an_error_that_names_the_file(
    tmp_path: Path,
) -> None:
    trial = made.trial(PHONE, made.MOBILENETS[0])
    run = made.write_run(tmp_path, [], made.MOBILENETS[:1], [trial], name="a")
    with pytest.raises(StoreError, match=r"devices\.json does not tell of device"):
        bench.load(run)
    run = made.write_run(tmp_path, [PHONE], [], [trial], name="b")
    with pytest.raises(StoreError, match=r"models\.json does not tell of model"):
        bench.load_cells(run)


def test_a_number_beyond_64_bits_is_an_error_and_no_traceback(tmp_path: Path) -> None:
    run = made.write_run(
        tmp_path, [PHONE], made.MOBILENETS[:1], [made.trial(PHONE, made.MOBILENETS[0])]
    )
    models = run / "models.json"
    models.write_text(models.read_text().replace('"macs": 568700000', '"macs": ' + "9" * 30))
    with pytest.raises(StoreError, match="column macs"):
        bench.load(run)


def test_hostile_names_come_through_unchanged(tmp_path: Path) -> None:
    name = "a b;touch x$(id)\n\u202e<script>.tflite"
    model = made.model(name)
    run = made.write_run(tmp_path, [PHONE], [model], [made.trial(PHONE, model)])
    assert bench.load(run)["model"].tolist() == [name]


def test_one_thread_and_four_are_two_cells(tmp_path: Path) -> None:
    configs = [Config(), Config(threads=4)]
    trials = made.grid([PHONE], made.MOBILENETS[:1], configs)
    run = made.write_run(tmp_path, [PHONE], made.MOBILENETS[:1], trials)
    cells = bench.load_cells(run)
    assert cells["threads"].tolist() == [1, 4]
    assert not math.isclose(*cells["median_us"])


def test_import_bench_loads_nothing_heavy_and_names_are_sorted() -> None:
    code = (
        "import sys, bench; heavy = {'pandas', 'matplotlib', 'numpy', 'ai_edge_litert', 'jinja2'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules);"
        "assert list(bench.__all__) == sorted(bench.__all__), bench.__all__;"
        "assert set(bench.__all__) <= set(dir(bench))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_name_of_the_package_is_there_when_asked_for() -> None:
    for name in bench.__all__:
        assert getattr(bench, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        bench.nonsense  # noqa: B018 -- the access is what is tested


def test_a_frame_and_the_page_tell_the_same_published_error(tmp_path: Path) -> None:
    """Not the first that was printed: papers retrained the same networks, and differ by points."""
    early = Published(top1_error_pct=29.1, source="ShuffleNet, arXiv 1707.01083v1, a table")
    nets = [
        msgspec.structs.replace(net, published=(early, *net.published)) if net.scale == 2.0 else net
        for net in made.SHUFFLENETS
    ]
    run = made.write_run(tmp_path, [made.phone()], nets, made.grid([made.phone()], nets))
    for frame in (bench.load(run), bench.load_cells(run)):
        assert set(frame["published_top1_error_pct"]) == {26.3, 28.5, 32.4, 41.6}
        assert set(frame["published_source"]) == {made.SHUFFLENET}
