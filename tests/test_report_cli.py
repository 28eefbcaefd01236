"""bench compare and bench report as a user meets them: what is printed, and the exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import fabricated as made
import msgspec
import pytest
from typer.testing import CliRunner, Result

from bench.cli import app
from bench.errors import UsageError
from bench.frame.comparison import FIELDS
from bench.records import Config, Doubt, Energy, Model, RunnerIdentity

PHONE = made.phone()
NETS = made.MOBILENETS[:2]
OTHER = msgspec.structs.replace(made.RUNNER, library_sha256="f" * 64, library_version="2.2.0")


def run(results: Path, times: float = 1.0, runner: RunnerIdentity = made.RUNNER) -> Path:
    """Four repetitions of two models, the first of them so many times as slow as it should be."""
    trials = [
        made.trial(
            PHONE, net, repetition=n, runner=runner,
            samples_us=made.samples_around(1000 * factor * (1 + n / 1000), seed=n),
        )
        for net, factor in zip(NETS, (times, 1.0), strict=True) for n in range(4)
    ]  # fmt: skip
    return made.write_run(results, [PHONE], NETS, trials, repetitions=4)


def bench(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Before, and after with a model that became a tenth slower."""
    results = tmp_path_factory.mktemp("results")
    return run(results), run(results, times=1.1)


def test_compare_tells_each_cell_and_ends_well_unless_asked(sides: tuple[Path, Path]) -> None:
    said = bench("compare", *sides)
    assert said.exit_code == 0
    assert "slower" in said.output
    assert "same" in said.output
    assert "1.100" in said.output


def test_fail_on_slower_ends_with_4_and_only_then(sides: tuple[Path, Path]) -> None:
    before, after = sides
    assert bench("compare", before, after, "--fail-on", "slower").exit_code == 4
    assert bench("compare", after, before, "--fail-on", "slower").exit_code == 0
    assert bench("compare", before, before, "--fail-on", "slower").exit_code == 0
    loose = bench("compare", before, after, "--fail-on", "slower", "--threshold", "0.2")
    assert loose.exit_code == 0


def test_fail_on_slower_also_prints_what_was_asked_for(sides: tuple[Path, Path]) -> None:
    said = bench("compare", *sides, "--fail-on", "slower", "--markdown")
    assert said.exit_code == 4
    assert said.output.startswith("**1 slower**, 0 faster, 0 can't tell, 1 same (threshold 3.0%).")
    told = bench("compare", *sides, "--fail-on", "slower", "--json")
    assert told.exit_code == 4
    rows = json.loads(told.output)
    assert [row["verdict"] for row in rows] == ["slower", "same"]
    assert rows[0]["ratio_low"] < rows[0]["ratio"] < rows[0]["ratio_high"]


def test_fail_on_slower_is_not_content_with_nothing_to_compare(tmp_path: Path) -> None:
    before = run(tmp_path)
    after = made.write_run(
        tmp_path,
        [PHONE],
        made.MOBILENETS[2:],
        [made.trial(PHONE, net) for net in made.MOBILENETS[2:]],
    )
    assert bench("compare", before, after).exit_code == 0
    said = bench("compare", before, after, "--fail-on", "slower")
    assert isinstance(said.exception, UsageError)
    assert "share no cell" in str(said.exception)


@pytest.mark.parametrize("measured", [NETS[1:], ()])
def test_fail_on_slower_is_not_content_with_what_fails_now(
    tmp_path: Path, measured: Sequence[Model]
) -> None:
    before = run(tmp_path)
    trials = [
        (made.trial if net in measured else made.failed)(PHONE, net, repetition=n)
        for net in NETS
        for n in range(4)
    ]
    after = made.write_run(tmp_path, [PHONE], NETS, trials, repetitions=4)
    said = bench("compare", before, after, "--fail-on", "slower")
    assert said.exit_code == 4
    assert f"Fails in the second: {NETS[0].name} on " in said.output
    assert "SEGMENT_SUM" in said.output
    assert "**Fails in the second**: " in bench("compare", before, after, "--markdown").output
    assert bench("compare", after, after, "--fail-on", "slower").exit_code == (0 if measured else 1)


def test_help_names_every_field_that_may_differ() -> None:
    page = (Path(__file__).parents[1] / "docs" / "cli.md").read_text()
    told = page.partition("## bench compare\n")[2].partition("| `--a-where")[0]
    assert all(field in told for field in FIELDS if field != "virtual")


@pytest.mark.parametrize(("times", "code"), [(1.0, 0), (1.5, 4)])
def test_the_example_workflows_comparison_runs_and_ends_as_it_says(
    tmp_path: Path, times: float, code: int
) -> None:
    run(tmp_path / "results" / "before")
    run(tmp_path / "results" / "after", times=times)
    paths = {name: tmp_path / name for name in ("summary.md", "output.txt")}
    step = re.search(r"id: compare\n +run: \|\n(.*?)\n\n", workflow(), re.DOTALL)
    assert step is not None
    done = subprocess.run(
        ["bash", "-e", "-c", textwrap.dedent(step[1])], cwd=tmp_path, check=True,
        env=os.environ | {
            "RUNNER_TEMP": str(tmp_path), "GITHUB_STEP_SUMMARY": str(paths["summary.md"]),
            "GITHUB_OUTPUT": str(paths["output.txt"]),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stderr == ""
    assert paths["output.txt"].read_text() == f"code={code}\n"
    assert paths["summary.md"].read_text() == (tmp_path / "comparison.md").read_text()
    assert f"**{int(code == 4)} slower**" in paths["summary.md"].read_text()


def workflow() -> str:
    page = (Path(__file__).parents[1] / "docs" / "ci.md").read_text()
    found = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert found is not None
    return found[1]


def test_what_differs_is_refused_by_name_and_let_by_name(tmp_path: Path) -> None:
    before, after = run(tmp_path), run(tmp_path, runner=OTHER)
    refused = bench("compare", before, after)
    assert isinstance(refused.exception, UsageError)  # main() prints it, and ends with 1
    assert "differ in library" in str(refused.exception)
    assert "say so: differs library" in str(refused.exception)
    assert bench("compare", before, after, "--differs", "library").exit_code == 0


def test_a_wrong_field_and_a_wrong_choice_are_one_error(sides: tuple[Path, Path]) -> None:
    said = bench("compare", *sides, "--differs", "colour")
    assert "'colour' can't be compared" in str(said.exception)
    said = bench("compare", *sides, "--a-where", "device")
    assert "a choice is written FIELD=VALUE" in str(said.exception)
    assert bench("compare", *sides, "--fail-on", "faster").exit_code == 2
    assert bench("compare", sides[0]).exit_code == 2


def test_report_of_several_runs_merges_them_and_warns_of_mixed_versions(tmp_path: Path) -> None:
    page = tmp_path / "both.html"
    said = bench("report", run(tmp_path), run(tmp_path, runner=OTHER), "--output", page)
    assert said.output == f"Report:  {page}\n"
    html = page.read_text(encoding="utf-8")
    assert "Trials that differ otherwise stand side by side" in html
    assert "2 kinds of LiteRT library: 2.1.6" in html
    assert "16 trials ok" in html
    assert len({part.partition('"')[0] for part in html.split('href="#cell-')[1:]}) == 2


def test_report_warns_of_two_versions_of_a_library_on_two_kinds_of_phone(tmp_path: Path) -> None:
    """Another ABI has another binary, of which nothing is said as long as it is of one version."""
    old = made.phone("OLD", model="Acme Old", abis=("armeabi-v7a",))
    for version, warned in (("2.1.6", False), ("2.1.3", True)):
        runner = msgspec.structs.replace(
            made.RUNNER, abi="armeabi-v7a", sha256=made.digest("v7a"),
            library_sha256=made.digest("v7a library"), library_version=version,
        )  # fmt: skip
        trials = [made.trial(PHONE, NETS[0]), made.trial(old, NETS[0], runner=runner)]
        page = tmp_path / f"{version}.html"
        bench("report", made.write_run(tmp_path, [PHONE, old], NETS, trials), "--output", page)
        html = page.read_text(encoding="utf-8")
        assert ("2 kinds of LiteRT library: 2.1.3 armeabi-v7a" in html) == warned
        assert ("side by side" in html) == warned


def test_report_of_runs_by_two_versions_of_bench_says_so(tmp_path: Path) -> None:
    first, second = run(tmp_path), run(tmp_path)
    plan = second / "plan.json"
    plan.write_text(plan.read_text().replace('"bench": "0.1.0"', '"bench": "0.0.9"'))
    bench("report", first, second, "--output", tmp_path / "both.html")
    html = (tmp_path / "both.html").read_text(encoding="utf-8")
    assert "2 versions of bench: 0.0.9, 0.1.0" in html


def test_the_example_workflow_uses_options_that_there_are() -> None:
    commands = re.findall(r"\bbench (\w+) (.*?)(?:\)| > |\n\n)", workflow(), re.DOTALL)
    assert [verb for verb, _ in commands] == ["sweep", "sweep", "compare"]
    page = (Path(__file__).parents[1] / "docs" / "cli.md").read_text()
    for verb, words in commands:
        told = page.partition(f"## bench {verb}\n")[2].partition("\n## ")[0]
        for option in re.findall(r"--[a-z-]+", words):
            assert f"`{option}" in told, f"bench {verb} has no {option}"


def test_show_tells_what_passes_told_and_how_long_was_waited(tmp_path: Path) -> None:
    told = made.trial(
        PHONE, NETS[0], energy=made.energy(), sustained=made.sustained(slower=1.3),
        waited_s=190.0, waited_for=("hot start", "throttled"), tries=2,
    )  # fmt: skip
    other = made.trial(
        PHONE, NETS[1], energy=Energy(not_told="the battery \x1b[2J charges"), doubts=(made.WIDE,)
    )
    said = bench("show", made.write_run(tmp_path, [PHONE], NETS, [told, other]))
    assert said.exit_code == 0
    head, *rows = said.output.splitlines()[1:4]
    assert head.split()[-6:] == ["samples", "repetitions", "energy", "mJ", "sustained", "×"]
    figures = {row.split()[2]: row.split()[-2:] for row in rows}
    energy_mj, ratio = figures[NETS[0].name]
    assert float(energy_mj) == pytest.approx(28, rel=0.02)
    assert ratio == "1.30"
    assert "waited for hot start, throttled, 1 trial" in said.output
    assert ": 3 min, 2 tries" in said.output
    assert "energy not told: the battery \\x1b[2J charges" in said.output
    assert f"wide, 1 trial: {made.WIDE.message}; {made.WIDE.cure}" in said.output


def test_show_is_in_the_order_of_models_and_configs_whatever_was_measured_first(
    tmp_path: Path,
) -> None:
    configs = [Config(threads=n, affinity=where) for n in (4, 1) for where in ("default", "big")]
    trials = [made.trial(PHONE, net, config=one) for one in configs for net in NETS]
    said = bench("show", made.write_run(tmp_path, [PHONE], NETS, trials)).output
    rows = [line.split()[2:6] for line in said.splitlines()[2 : 2 + len(trials)]]
    assert rows == sorted(rows)
    assert len({tuple(row) for row in rows}) == len(trials)


def test_show_of_a_run_that_has_just_begun_says_so(tmp_path: Path) -> None:
    said = bench("show", made.write_run(tmp_path, [PHONE], NETS, []))
    assert said.output.splitlines()[1:] == ["No trial has ended yet."]


def test_show_has_no_column_of_what_was_not_asked_for(sides: tuple[Path, Path]) -> None:
    said = bench("show", sides[0]).output
    assert "peak MiB" in said
    assert "energy" not in said
    assert "sustained" not in said
    assert "waited" not in said


def test_show_tells_what_only_repetitions_show_and_not_what_the_title_says(tmp_path: Path) -> None:
    slow = made.measurement(made.samples_around(12_000.0))
    emulator = Doubt(kind="virtual", message="no phone", cure="plug one in")
    trials = [
        made.trial(PHONE, NETS[0], doubts=(emulator,)),
        made.trial(PHONE, NETS[0], repetition=2, measurement=slow),
    ]
    said = bench("show", made.write_run(tmp_path, [PHONE], NETS, trials)).output
    assert "repetitions differ, 1 cell: the medians of 2 repetitions lie" in said
    assert f"{NETS[0].name}, 1 thread, xnnpack" in said
    assert "no phone" not in said


def test_show_tells_what_many_trials_share_once(tmp_path: Path) -> None:
    trials = [made.trial(PHONE, NETS[0], repetition=n, doubts=(made.WIDE,)) for n in range(9)]
    said = bench("show", made.write_run(tmp_path, [PHONE], NETS, trials)).output
    assert said.count(made.WIDE.message) == 1
    assert "wide, 9 trials: " in said
    assert said.count("thread.r") + said.count("-xnnpack.r") == 3
    assert "and 6 more; the report and --json have all" in said


def test_show_prints_every_column_as_json(sides: tuple[Path, Path]) -> None:
    rows = json.loads(bench("show", sides[0], "--json").output)
    assert {"waited_s", "energy_mj", "sustained_ratio", "host_snr_db", "tries"} <= set(rows[0])
    assert rows[0]["started_at"].startswith("2026-11-24T07:00:00")
