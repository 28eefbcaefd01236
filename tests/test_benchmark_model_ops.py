"""Operator tables of benchmark_model: old and new columns, and what is cut or of another run."""

from __future__ import annotations

import benchmark_model_logs as logs
import pytest
from benchmark_model_logs import LOGS, current, text
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import RunnerError
from bench.records import OpTime
from bench.runtime.benchmark_model import parse_output

# type, start, first, mean (all ms), percent, calls, name
ROWS = [
    ("CONV_2D", 0.021, 3.5, 3.125, 39.063, 1, "[cat/Conv2D, cat/Relu6]:0"),
    ("Mean (ND) Reduce2", 3.2, 0.9, 0.875, 10.938, 1, "[cat/mean]:1"),
    ("Fully Connected (NC, QS8, QC8W) GEMM", 4.1, 4.2, 2.000, 50.0, 2, "[cat/logits]:2"),
]
TOTAL_US = 8000.0
EXPECTED = [
    ("CONV_2D", 3125.0, "[cat/Conv2D, cat/Relu6]:0"),
    ("Mean (ND) Reduce2", 875.0, "[cat/mean]:1"),
    ("Fully Connected (NC, QS8, QC8W) GEMM", 4000.0, "[cat/logits]:2"),
]
HEADERS = {
    8: "[start]\t[first]\t[avg ms]\t[%]\t[cdf%]\t[mem KB]\t[times called]\t[Name]",
    7: "[first]\t[avg ms]\t[%]\t[cdf%]\t[mem KB]\t[times called]\t[Name]",
    5: "[first]\t[avg ms]\t[%]\t[cdf%]\t[Name]",
}
BANNER = "============================== {} =============================="
SUMMARY_HEADER = "\t[Node type]\t[count]\t[avg ms]\t[avg %]\t[cdf %]\t[mem KB]\t[times called]"


def row(columns: int, cells: tuple[str, float, float, float, float, int, str]) -> str:
    op, start, first, mean, percent, calls, name = cells
    times = [start, first, mean] if columns == 8 else [first, mean]
    middle = [f"{t:9.3f}" for t in times] + [f"{percent:.3f}%", f"{percent:.3f}%"]
    counts = [] if columns == 5 else ["0.000", str(calls)]
    return "\t".join(["", f"{op:>38}", *middle, *counts, name])


def table(columns: int, rows: list, *, banner: str | None = "Run Order") -> list[str]:  # type: ignore[type-arg]
    head = [BANNER.format(banner)] if banner else []
    return [
        *head,
        "\t" + f"{'[node type]':>38}\t" + HEADERS[columns],
        *(row(columns, r) for r in rows),
        "",
    ]


def report(
    columns: int = 7,
    *,
    rows: list = ROWS,  # type: ignore[type-arg]
    banners: bool = True,
    count: int | None = None,
    total: float = TOTAL_US,
) -> list[str]:
    """One graph's tables: in order, by time, by type."""
    by_time = sorted(rows, key=lambda r: -r[3])
    return [
        *table(columns, rows, banner="Run Order" if banners else None),
        *table(columns, by_time, banner="Top by Computation Time" if banners else None),
        f"Number of nodes executed: {len(rows) if count is None else count}",
        *([BANNER.format("Summary by node type")] if banners else []),
        SUMMARY_HEADER,
        "\t".join(["", "CONV_2D", "1", "3.125", "39.063%", "39.063%", "0.000", "1"]),
        "",
        "Timings (microseconds): count=64 first=8100 curr=7990 min=7900 max=9300 "
        f"avg={total:g} std=90",
        "Memory (bytes): count=0",
        f"{len(rows)} nodes observed",
        "",
    ]


START = [
    "INFO: Profiling Info for Benchmark Initialization:",
    *report(rows=[("AllocateTensors", 0, 99.5, 99.5, 100.0, 1, "AllocateTensors/0")], total=99500),
]
RUNS = "INFO: Operator-wise Profiling Info for Regular Benchmark Runs:"
PROFILING = ("Use xnnpack: [0]", "Enable op profiling: [1]")


def log(*lines: str) -> bytes:
    return text(current(switches=PROFILING, delegates=[], after=list(lines)))


def ops_of(stdout: bytes, **asked: object) -> tuple[OpTime, ...]:
    asked.setdefault("delegate", "none")
    return parse_output(stdout, b"", 0, **asked).ops  # type: ignore[arg-type]


def stage_of(stdout: bytes, **asked: object) -> str:
    with pytest.raises(RunnerError) as raised:
        ops_of(stdout, **asked)
    return raised.value.stage


def seen(ops: tuple[OpTime, ...]) -> list[tuple[str, float, str | None]]:
    assert [op.index for op in ops] == list(range(len(ops)))
    return [(op.op, op.mean_us, op.name) for op in ops]


@pytest.mark.parametrize("columns", [8, 7])
@pytest.mark.parametrize("banners", [True, False])
def test_every_form_of_table_gives_its_milliseconds(columns: int, banners: bool) -> None:
    ops = ops_of(log(*START, RUNS, *report(columns, banners=banners)))
    assert seen(ops) == EXPECTED
    assert {op.delegate for op in ops} == {None}


def test_a_table_without_calls_counts_each_row_once() -> None:
    ops = ops_of(log(*START, RUNS, *report(5)))
    assert [op.mean_us for op in ops] == [3125, 875, 2000]


def test_tabs_that_became_spaces_are_columns_still() -> None:
    wide = [line.replace("\t", "    ") for line in report(8)]
    assert seen(ops_of(log(*START, RUNS, *wide))) == EXPECTED


def test_a_table_in_a_logcat_is_read() -> None:
    lines = current(switches=PROFILING, delegates=[], after=[*START, RUNS, *report(8)])
    assert seen(ops_of(text(logs.logcat(lines)))) == EXPECTED


def test_commas_of_a_node_type_do_not_move_the_columns_of_csv() -> None:
    rows = [
        "node type, first, avg_ms, %, cdf%, mem KB, times called, name",
        "Fully Connected (NC, QS8, QC8W) GEMM, 4.2, 2.00025, 50.003%, 50.003%, 0, 2, "
        "Delegate/x (NC\t F32):0",
        "CONV_2D, 3.5, 3.99, 49.9%, 100%, 0, 1, [cat/conv\t cat/relu]:1",
    ]
    lines = [RUNS, BANNER.format("Run Order"), *rows, "", "Number of nodes executed: 2"]
    lines += [
        BANNER.format("Summary by node type"),
        "node type, count, avg_ms, avg %, cdf %, mem KB, times called",
    ]
    lines += ["CONV_2D, 1, 3.99, 49.9%, 100%, 0, 1", "", "2 nodes observed"]
    created = [logs.XNNPACK_CREATED.strip()]
    stdout = text(current(switches=("Enable op profiling: [1]",), delegates=created, after=lines))
    ops = ops_of(stdout, delegate="xnnpack")
    assert [(op.op, op.mean_us) for op in ops] == [
        ("Fully Connected (NC, QS8, QC8W) GEMM", 4000.5),
        ("CONV_2D", 3990.0),
    ]
    assert ops[0].name == "Delegate/x (NC, F32):0"


def test_percent_is_never_taken_for_milliseconds() -> None:
    # 50.0 % of 2.2 ms: a reader that counts columns takes 50.000 for the time.
    rows = [("A", 0, 1.0, 1.1, 50.0, 1, "a"), ("B", 1, 1.0, 1.1, 50.0, 1, "b")]
    ops = ops_of(log(*START, RUNS, *report(7, rows=rows, total=2200)))
    assert [op.mean_us for op in ops] == [1100, 1100]
    without = [line.replace("[avg ms]", "[median]") for line in report(7, rows=rows)]
    assert stage_of(log(*START, RUNS, *without)) == "profile"


def test_old_versions_do_not_count_calls() -> None:
    rows = [(*r[:5], 0, r[6]) for r in ROWS]
    bookkeeping = ("Misc Runtime Ops", 0.0, 0.1, 0.1, 0.1, 0, "AllocateTensors/0")
    lines = LOGS["G2b"].decode().splitlines() + report(8, rows=[bookkeeping, *rows], banners=False)
    ops = ops_of(text(lines))
    assert [op.mean_us for op in ops] == [3125, 875, 2000]


def test_the_oldest_versions_print_the_profile_before_the_summary() -> None:
    lines = LOGS["G1"].decode().splitlines()
    early = [*lines[:-1], *report(8), lines[-1]]
    assert seen(ops_of(text(early))) == EXPECTED


def test_what_is_no_operator_is_left_out() -> None:
    extra = [
        ("AllocateTensors", 0, 0.3, 0.3, 0.1, 0, "AllocateTensors/0"),
        (
            "LiteRT::Run[buffer registration]",
            0,
            0.02,
            0.02,
            0.1,
            1,
            "LiteRT::Run[buffer registration]/0",
        ),
    ]
    lines = LOGS["G7"].decode().splitlines()
    rows = [(*r[:6], r[6] if "cat/Conv" in r[6] else f"Delegate/{r[0]}:1") for r in ROWS]
    lines += ["INFO: [./litert/tools/benchmark_litert_model.h:179] ", *report(7, rows=extra + rows)]
    outcome = parse_output(text(lines), b"", 0, delegate="xnnpack")
    assert [op.op for op in outcome.ops] == [r[0] for r in ROWS]
    assert [op.delegate for op in outcome.ops] == [None, "xnnpack", "xnnpack"]
    assert outcome.reported.delegation == "partial"  # whatever the line before it says


def test_a_delegates_row_bears_its_name() -> None:
    rows = [
        ("TfLiteGpuDelegateV2", 0, 4.0, 4.0, 50.0, 1, "[cat/relu]:31"),
        ("TfLiteXNNPackDelegate", 4, 4.0, 4.0, 50.0, 1, "[cat/out]:32"),
    ]
    outcome = parse_output(
        text(
            current(
                switches=("Use gpu: [1]",),
                delegates=[],
                after=[*START, RUNS, *report(8, rows=rows)],
            )
        ),
        b"",
        0,
        delegate="gpu",
    )
    assert [op.delegate for op in outcome.ops] == ["gpu", "xnnpack"]
    assert outcome.reported.delegation == "partial"


def test_a_row_of_the_delegate_alone_shows_that_it_ran() -> None:
    rows = [("TfLiteGpuDelegateV2", 0, 8.0, 8.0, 100.0, 1, "[cat/out]:31")]
    stdout = text(
        current(switches=("Use gpu: [1]",), delegates=[], after=[RUNS, *report(8, rows=rows)])
    )
    assert parse_output(stdout, b"", 0, delegate="gpu").reported.delegation == "full"
    assert parse_output(stdout, b"", 0, delegate=None).ops[0].delegate == "gpu"


def test_what_a_delegate_did_inside_stands_for_its_row() -> None:
    rows = [ROWS[1], ("TfLiteXNNPackDelegate", 4, 7.0, 7.0, 89.0, 1, "[cat/out]:32")]
    inside = [("Convolution (NHWC, F32) IGEMM", 0, 6.9, 6.9, 100.0, 1, "Convolution:0")]
    lines = [*START, RUNS, *report(7, rows=rows), "Delegate internal: ", *report(7, rows=inside)]
    stdout = text(current(switches=("Use xnnpack: [1]", "Enable op profiling: [1]"), after=lines))
    ops = ops_of(stdout, delegate="xnnpack")
    assert [(op.op, op.delegate, op.mean_us) for op in ops] == [
        ("Mean (ND) Reduce2", None, 875),
        ("Convolution (NHWC, F32) IGEMM", "xnnpack", 6900),
    ]


def test_subgraphs_are_part_of_the_row_that_calls_them() -> None:
    lines = [
        *START,
        RUNS,
        "Primary graph (name: main) Run Order:",
        *report(7),
        "Subgraph (index: 1, name: body) Run Order:",
        *report(7, rows=[("ADD", 0, 0.5, 0.5, 100.0, 1, "[body/add]:0")], total=500),
    ]
    assert seen(ops_of(log(*lines))) == EXPECTED


def test_builtin_rows_show_that_the_builtin_kernels_ran() -> None:
    lines = current(switches=("Enable op profiling: [1]",), delegates=[])
    outcome = parse_output(text([*lines, RUNS, *report(8)]), b"", 0, delegate="none")
    assert outcome.reported.delegation == "none"


@pytest.mark.parametrize("columns", [8, 7])
def test_a_profile_that_is_cut_anywhere_is_a_failure_or_whole(columns: int) -> None:
    whole = log(*START, RUNS, *report(columns))
    begins = whole.index(b"INFO: Profiling Info")
    for end in range(begins, len(whole), 3):
        try:
            ops = ops_of(whole[:end])
        except RunnerError:
            assert stage_of(whole[:end]) == "profile"
        else:
            assert seen(ops) == EXPECTED


def test_a_profile_that_was_asked_for_must_come() -> None:
    assert stage_of(log()) == "profile"  # the tool echoes that it profiles
    assert stage_of(log(*START)) == "profile"
    plain = text(current(switches=("Use xnnpack: [0]",), delegates=[]))
    assert ops_of(plain) == ()
    assert stage_of(plain, profile=True) == "profile"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "Op profiling output file.: [/data/local/tmp/op.csv]",
        "CSV File to export profiling data to: [/x]",
    ],
)
def test_a_profile_that_went_to_a_file_is_not_missed(elsewhere: str) -> None:
    lines = current(switches=(*PROFILING, elsewhere), delegates=[])
    assert ops_of(text(lines)) == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    3.125\t39.063%", "39.063%\t    3.125"),
        ("\t    3.125\t", "\t    3.1x5\t"),
        ("\t    3.125\t", "\t"),
        ("\t39.063%\t39.063%", "\t39.063\t39.063"),
        ("Number of nodes executed: 3", "Number of nodes executed: 4"),
        ("Number of nodes executed: 3", "Number of nodes"),
    ],
)
def test_a_damaged_table_is_a_failure(old: str, new: str) -> None:
    whole = "\n".join(report(7))
    assert old in whole
    assert stage_of(log(*START, RUNS, *whole.replace(old, new).split("\n"))) == "profile"


def test_the_profile_of_another_run_is_a_failure() -> None:
    rows = [(*r[:3], r[3] * 2, *r[4:]) for r in ROWS]
    assert stage_of(log(*START, RUNS, *report(8, rows=rows, total=16000))) == "profile"


@pytest.mark.parametrize(
    ("said", "stage"),
    [
        ("ERROR: Benchmarking failed.", "process"),
        ("ERROR: Node number 3 (CONV_2D) failed to invoke.", "run"),
        ("Segmentation fault", "process"),
    ],
)
def test_a_failure_behind_or_within_a_profile_counts(said: str, stage: str) -> None:
    lines = [*START, RUNS, *report(8)]
    assert stage_of(log(*lines, said)) == stage
    assert stage_of(log(*lines[:-9], said)) == stage


def test_timings_of_a_profile_are_not_the_measurement() -> None:
    reported = parse_output(log(*START, RUNS, *report(8)), b"", 0, delegate="none").reported
    assert (reported.mean_us, reported.count) == (8077.25, 64)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [*START, RUNS, *report(8), *report(7), *report(5), "Delegate internal: ", "x\ty\t1%"]
        )
    )
)
def test_any_mix_of_table_lines_gives_operators_or_a_named_failure(lines: list[str]) -> None:
    try:
        ops = ops_of(log(*lines), delegate=None)
    except RunnerError:
        return
    assert all(op.mean_us >= 0 for op in ops)
