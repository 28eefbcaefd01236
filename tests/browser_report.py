"""The report in a real browser: `pytest tests/browser_report.py`, with chromium installed.

A suite of its own (`make browser`), because a machine without a browser can build and use
everything else; .ci/run installs one. axe-core comes with the package axe-core-python.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import fabricated as made
import msgspec
import pytest
from chromium import Chromium

import bench
from bench.records import Config
from bench.report.compared import plain

PHONE, VIRTUAL = made.phone(), made.virtual_phone()
FIRST = "#table tbody tr:not([hidden]):not(.level) th"
COUNT = "document.querySelectorAll('#table tbody tr:not([hidden]):not(.level)').length"
WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium() as chromium:
        chromium.send(
            "Browser.grantPermissions",
            permissions=["clipboardReadWrite", "clipboardSanitizedWrite"],
        )
        yield chromium


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two devices, two configs, both papers' models, hostile names, failures and doubts."""
    evil = made.model("=1+1|`<script>alert(1)</script>\u202e" + "x" * 10_000, quantization="int8")
    models = [*made.MOBILENETS, *made.SHUFFLENETS, evil]
    trials = made.grid([PHONE, VIRTUAL], models, [Config(), Config(threads=4)], repetitions=2)
    trials[0] = msgspec.structs.replace(trials[0], doubts=(made.WIDE,))
    trials.append(made.failed(PHONE, models[0], config=Config(threads=2)))
    results = tmp_path_factory.mktemp("results")
    run = made.write_run(results, [PHONE, VIRTUAL], models, trials, repetitions=2)
    return bench.render_report(run)


def first(browser: Chromium) -> str:
    name: str = browser.run(f"document.querySelector('{FIRST}').innerText")
    return name


def wait_across_loads(browser: Chromium, script: str) -> None:
    """Wait until an expression is true, also while the page loads itself anew."""
    while True:
        try:
            return browser.wait_for(script)
        except AssertionError as error:
            if "navigated" not in str(error):
                raise


def test_the_page_loads_without_a_complaint_and_asks_for_nothing(
    browser: Chromium, page: Path
) -> None:
    browser.open(page)
    assert browser.complaints() == []
    assert browser.requests() == [page.resolve().as_uri()]
    dialogs = [e for e in browser.events if e.get("method") == "Page.javascriptDialogOpening"]
    assert dialogs == []


def test_the_table_sorts_up_down_and_back(browser: Chromium, page: Path) -> None:
    browser.open(page)
    before = first(browser)
    browser.click("[data-key='median-0'] button")
    assert first(browser).startswith("mobilenet_v1_0.25")
    assert browser.run("document.querySelector('[aria-sort]').dataset.key") == "median-0"
    browser.click("[data-key='median-0'] button")
    assert first(browser).startswith("shufflenet_v1_2x")
    browser.click("[data-key='median-0'] button")
    assert first(browser) == before


def test_the_table_filters_by_name_and_by_facet(browser: Chromium, page: Path) -> None:
    browser.open(page)
    rows = browser.run(COUNT)
    browser.click("#controls input[type=search]")
    browser.send("Input.insertText", text="shuffle")
    assert 0 < browser.run(COUNT) < rows
    threads = "[...document.querySelectorAll('#controls select')].find(s => s.value === '' && "
    threads += "[...s.options].some(o => o.value === '4'))"
    browser.run(f"(s => {{ s.value = '4'; s.dispatchEvent(new Event('change')) }})({threads})")
    assert browser.run(COUNT) == 4
    assert browser.run("document.querySelector('output').textContent") == f"4 of {rows} rows"


def test_columns_and_devices_can_be_hidden(browser: Chromium, page: Path) -> None:
    browser.open(page)
    shown = "[...document.querySelectorAll('#table thead tr:last-child th:not([hidden])')].length"
    before = browser.run(shown)
    browser.click(".columns summary")
    browser.click(".menu label:last-child input")
    assert browser.run(shown) == before - 3
    assert browser.run("document.querySelectorAll('.devices th:not([hidden])').length") == 1
    browser.click(".menu label:last-child input")
    assert browser.run(shown) == before


def test_the_menu_of_columns_closes_when_a_reader_goes_on(browser: Chromium, page: Path) -> None:
    browser.open(page)
    is_open = "document.querySelector('.columns').open"
    browser.click(".columns summary")
    browser.click(".menu label:first-child input")
    assert browser.run(is_open)
    browser.click("h1")
    assert not browser.run(is_open)
    browser.click(".columns summary")
    for kind in ("keyDown", "keyUp"):
        browser.send("Input.dispatchKeyEvent", type=kind, key="Escape", code="Escape")
    assert not browser.run(is_open)


def test_the_head_of_the_models_stays_above_them(browser: Chromium, page: Path) -> None:
    browser.open(page, width=360, height=740)
    browser.run("document.querySelector('#table').parentElement.scrollLeft = 300")
    left = "document.querySelector('%s').getBoundingClientRect().left"
    assert browser.run(left % "#table [data-key=model]") == browser.run(left % FIRST)


def test_one_device_can_be_chosen(browser: Chromium, page: Path) -> None:
    browser.open(page)
    chosen = "(s => { s.value = '%s'; s.dispatchEvent(new Event('change')) })"
    select = "(document.querySelector('[data-control=device]'))"
    shown = "[...document.querySelectorAll('.devices th:not([hidden])')].map(h => h.innerText)"
    browser.run(chosen % 1 + select)
    assert browser.run(shown) == ["Virtual Flagship [virtual]"]
    browser.run(chosen % "" + select)
    assert len(browser.run(shown)) == 2


def test_the_table_copies_as_csv_and_markdown_without_formulas(
    browser: Chromium, page: Path
) -> None:
    browser.open(page)
    browser.click("#controls > button:nth-of-type(1)")
    browser.wait_for("document.querySelector('output').textContent.endsWith('copied as CSV')")
    told = browser.run("navigator.clipboard.readText()")
    assert "mobilenet_v1_1.00_224_float32" in told
    assert "Virtual Flagship [virtual]" in told
    assert "\n'=1+1" in told.replace('"', "")
    browser.click("#controls > button:nth-of-type(2)")
    browser.wait_for("document.querySelector('output').textContent.endsWith('as Markdown')")
    lines = browser.run("navigator.clipboard.readText()").splitlines()
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert any("\\<script\\>" in line for line in lines)


def copied(browser: Chromium, form: str) -> str:
    button = {"CSV": 1, "Markdown": 2}[form]
    browser.click(f"#controls > button:nth-of-type({button})")
    browser.wait_for(f"document.querySelector('output').textContent.endsWith('as {form}')")
    text: str = browser.run("navigator.clipboard.readText()")
    return text


def test_a_copy_keeps_intervals_and_doubts(browser: Chromium, every_pass: Path) -> None:
    browser.open(every_pass)
    head, row = csv.reader(io.StringIO(copied(browser, "CSV")))
    told = dict(zip(head, row, strict=True))
    assert len(told) == len(head)
    shown = "document.querySelector('[data-key=energy-1]').cellIndex"
    energy = browser.run(f"document.querySelector('tbody td:nth-child(' + ({shown} + 1) + ')')"
                         ".querySelector('small').textContent")  # fmt: skip
    assert "–" in energy
    assert told["Energy, mJ, Virtual Flagship [virtual], 95 % interval"] == energy
    assert told["Median latency, ms, Acme One, doubts"] == "throttled"
    assert "; throttled)" in copied(browser, "Markdown")


def test_what_a_tool_reported_is_copied_as_a_mean(browser: Chromium, tmp_path: Path) -> None:
    net = made.MOBILENETS[0]
    run = made.write_run(tmp_path, [PHONE], [net], [made.reported(PHONE, net)])
    browser.open(bench.render_report(run))
    head, row = csv.reader(io.StringIO(copied(browser, "CSV")))
    told = dict(zip(head, row, strict=True))
    assert told["Median latency, ms, Acme One, 95 % interval"] == ""
    assert told["Median latency, ms, Acme One, doubts"].startswith("mean of 50")
    assert "12.00 (mean of 50 as reported" in copied(browser, "Markdown")


def test_a_copied_name_calls_nobody(browser: Chromium, tmp_path: Path) -> None:
    net = made.model("@somebody #1 &copy; www.a.b")
    run = made.write_run(tmp_path, [PHONE], [net], made.grid([PHONE], [net]))
    browser.open(bench.render_report(run))
    assert plain(net.name) in copied(browser, "Markdown")


def test_what_is_missing_sorts_last_either_way(browser: Chromium, tmp_path: Path) -> None:
    nets = [made.model(f"net{n}", quantization=q) for n, q in enumerate((None, "int8", "float32"))]
    trials = [*made.grid([PHONE], nets[1:]), made.failed(PHONE, nets[0])]
    run = made.write_run(tmp_path, [PHONE], nets, trials)
    browser.open(bench.render_report(run))
    last = f"[...document.querySelectorAll('{FIRST}')].at(-1).innerText"
    for key in ("quantization", "median-0"):
        for _ in range(2):
            browser.click(f"[data-key='{key}'] button")
            assert browser.run(last) == "net0"


def test_a_chosen_device_leaves_the_rows_that_were_asked_of_it(
    browser: Chromium, tmp_path: Path
) -> None:
    nets = made.MOBILENETS[:3]
    trials = [*made.grid([PHONE], nets[:2]), made.failed(VIRTUAL, nets[1]),
              *made.grid([VIRTUAL], nets[2:])]  # fmt: skip
    browser.open(bench.render_report(made.write_run(tmp_path, [PHONE, VIRTUAL], nets, trials)))
    chosen = "(s => { s.value = '%s'; s.dispatchEvent(new Event('change')) })"
    select = "(document.querySelector('[data-control=device]'))"
    for device, rows in (("0", 2), ("1", 2), ("", 3)):
        browser.run(chosen % device + select)
        assert browser.run(COUNT) == rows


def test_a_cell_leads_to_its_trials(browser: Chromium, page: Path) -> None:
    browser.open(page)
    assert browser.run("document.querySelectorAll('details.cell[open]').length") == 0
    browser.click("#table a[href^='#cell-']")
    browser.wait_for("document.querySelectorAll('details.cell[open]').length === 1")
    browser.wait_for("document.querySelector(':target').getBoundingClientRect().top < innerHeight")


def test_many_trials_are_folded_up_and_unfold(browser: Chromium, tmp_path: Path) -> None:
    models = [made.model(f"net{n}", macs=1_000_000 * (n + 1)) for n in range(260)]
    trials = made.grid([PHONE], models, repetitions=4, samples=6)
    run = made.write_run(tmp_path, [PHONE], models, trials, repetitions=4)
    browser.open(bench.render_report(run))
    assert browser.run("document.querySelectorAll('details.cell article').length") == 0
    browser.wait_for(COUNT + " === 200")
    browser.click("#controls > button:last-of-type")
    browser.wait_for(COUNT + " === 260")
    browser.click("#table tbody tr:nth-child(4) a[href^='#cell-']")
    browser.wait_for("document.querySelectorAll('details.cell[open] article').length === 4")
    assert browser.complaints() == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("told", ["page", "every_pass"])
def test_a_phones_screen_scrolls_downwards_alone(
    browser: Chromium, told: str, request: pytest.FixtureRequest, dark: bool
) -> None:
    browser.open(request.getfixturevalue(told), width=360, height=740, dark=dark)
    browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert not browser.run(WIDE)


def test_dark_mode_is_dark_in_the_plots_too(browser: Chromium, page: Path) -> None:
    fill = "getComputedStyle(document.querySelector('figure svg text')).fill"
    browser.open(page)
    light = browser.run(fill)
    browser.open(page, dark=True)
    assert browser.run(fill) != light
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(21, 23, 27)"


def test_print_shows_all_rows_in_ink_on_paper(
    browser: Chromium, page: Path, tmp_path: Path
) -> None:
    browser.open(page, dark=True)
    browser.send("Emulation.setEmulatedMedia", media="print")
    assert browser.run("getComputedStyle(document.body).color") == "rgb(29, 32, 38)"
    assert browser.run("getComputedStyle(document.querySelector('#controls')).display") == "none"
    browser.pdf(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    browser.send("Emulation.setEmulatedMedia", media="")


def test_the_page_is_a_plain_table_without_javascript(browser: Chromium, page: Path) -> None:
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page)
        assert browser.run("document.querySelectorAll('#table thead button').length") == 0
        assert (
            browser.run("getComputedStyle(document.querySelector('#controls')).display") == "none"
        )
        assert browser.run(COUNT) > 8
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)


@pytest.fixture(scope="module")
def every_pass(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tries, a doubtful series, and memory, energy and sustained runs."""
    net = made.MOBILENETS[0]
    told = {"memory": made.memory_pass(), "energy": made.energy(), "sustained": made.sustained()}
    doubt = {"doubts": (made.THROTTLED,), "series": made.series(9)}
    trials = [made.trial(device, net, tries=2, **told, **doubt) for device in (PHONE, VIRTUAL)]
    tries = [made.trial(PHONE, net, **doubt)]
    results = tmp_path_factory.mktemp("results")
    return bench.render_report(
        made.write_run(results, [PHONE, VIRTUAL], [net], trials, tries=tries)
    )


@pytest.mark.parametrize("told", ["page", "every_pass"])
def test_axe_finds_no_serious_fault(
    browser: Chromium, told: str, request: pytest.FixtureRequest
) -> None:
    page: Path = request.getfixturevalue(told)
    axe = (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
    for dark in (False, True):
        browser.open(page, dark=dark)
        browser.run("document.querySelector('details.cell').open = true")
        whole = "one.style.contentVisibility = 'visible'"  # axe leaves out what is not laid out
        browser.run(f"document.querySelectorAll('section').forEach(one => {{ {whole} }})")
        browser.run(axe + "; 0")
        found = browser.run(
            "axe.run({resultTypes: ['violations']}).then(r => r.violations"
            ".filter(v => ['serious', 'critical'].includes(v.impact))"
            ".map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.html).join(' | ')))"
        )
        assert found == []


def test_a_page_that_loads_itself_anew_keeps_what_the_reader_did(
    browser: Chromium, page: Path, tmp_path: Path
) -> None:
    live = tmp_path / "live.html"
    still = page.read_text(encoding="utf-8")
    again = '<html lang="en" data-reload-s="{}">'
    live.write_text(still.replace('<html lang="en">', again.format(600)), encoding="utf-8")
    browser.open(live)
    browser.run("window.first = true")
    browser.click("[data-key='median-0'] button")
    browser.click(".columns summary")
    browser.click(".menu label:last-child input")
    cell = browser.run("document.querySelector('details.cell:nth-of-type(5) summary').textContent")
    browser.run("document.querySelector('details.cell:nth-of-type(5)').open = true")
    browser.run("document.querySelector('#controls input').focus()")
    browser.send("Input.insertText", text="shuffle")
    rows = browser.run(COUNT)
    browser.run("document.querySelector('#trials').scrollIntoView()")
    height = browser.run("document.querySelector('#trials').getBoundingClientRect().top")
    live.write_text(still.replace('<html lang="en">', again.format(0.5)), encoding="utf-8")
    browser.run("document.documentElement.dataset.reloadS = 0.01; watch()")
    wait_across_loads(browser, "window.first === undefined && document.readyState === 'complete'")
    live.write_text(still, encoding="utf-8")  # the last one
    wait_across_loads(
        browser,
        "document.readyState === 'complete' && document.querySelector('html:not([data-reload-s])')"
        " !== null",
    )
    assert browser.run("document.querySelector('[aria-sort]').dataset.key") == "median-0"
    assert browser.run("document.querySelectorAll('.devices th:not([hidden])').length") == 1
    assert browser.run("document.querySelector('#controls input').value") == "shuffle"
    assert browser.run(COUNT) == rows
    assert browser.run("document.activeElement.dataset.control") == "name"
    assert browser.run("document.querySelector('details.cell[open] summary').textContent") == cell
    top = browser.run("document.querySelector('#trials').getBoundingClientRect().top")
    assert abs(top - height) < 3
    assert browser.run("history.state") is None
    assert browser.complaints() == []


def test_a_page_that_is_being_copied_from_waits(browser: Chromium, page: Path) -> None:
    browser.open(page)
    browser.run("document.documentElement.dataset.reloadS = '0.05'; window.first = true")
    browser.run("getSelection().selectAllChildren(document.querySelector('h1')); watch()")
    browser.run("new Promise(done => setTimeout(done, 300))")
    assert browser.run("window.first") is True
    browser.run("getSelection().removeAllRanges()")
    wait_across_loads(browser, "window.first === undefined")


def test_every_figure_of_a_device_leads_to_its_trials(browser: Chromium, page: Path) -> None:
    browser.open(page)
    wanted = browser.run("document.querySelector('#table a[href^=\"#cell-\"]').hash")
    browser.click("#table tbody tr:not(.level):not([hidden]) td:has(a[href^='#cell-']) + td")
    assert browser.run("location.hash") == wanted
    browser.wait_for("document.querySelectorAll('details.cell[open]').length === 1")


@pytest.fixture(scope="module")
def long_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two thousand rows."""
    models = [made.model(f"net{n}", macs=1_000_000 + 997 * n % 100_000) for n in range(2_000)]
    trials = made.grid([PHONE], models, samples=6)
    results = tmp_path_factory.mktemp("long")
    return bench.render_report(made.write_run(results, [PHONE], models, trials))


def test_two_thousand_rows_are_sorted_and_filtered(browser: Chromium, long_page: Path) -> None:
    browser.open(long_page)
    browser.click("[data-key='median-0'] button")
    browser.click("[data-key='macs'] button")
    browser.wait_for(COUNT + " === 200")
    assert first(browser) == "net0"
    browser.click("#controls input[type=search]")
    browser.send("Input.insertText", text="net19")
    browser.wait_for(COUNT + " === 111")
    assert browser.run("document.querySelector('output').textContent") == "111 of 2,000 rows"


def test_a_click_lays_out_a_screen_of_rows_and_not_two_thousand(
    browser: Chromium, long_page: Path
) -> None:
    """What is done at once is counted, not timed; benchmarks/report.py has the times."""
    browser.open(long_page)
    done = """(() => {
      const seen = new MutationObserver(() => {});
      const all = {subtree: true, childList: true, attributes: true};
      seen.observe(document.getElementById('table'), all);
      (%s)();
      const changes = seen.takeRecords();
      const touched = new Set(changes.flatMap(c => [c.target, ...c.addedNodes]));
      const rows = [...touched].filter(node => node.nodeName === 'TR' && !node.hidden);
      return [rows.length, changes.length];
    })()"""
    click = "() => document.querySelector(\"[data-key='%s'] button\").click()"
    for key in ("macs", "model", "median-0"):
        rows, changes = browser.run(done % (click % key))
        assert rows <= 51, key  # and the heading of a level
        assert changes <= 2_200, key
    search = "document.querySelector('#controls input')"
    rows, changes = browser.run(
        done % f"() => {{ {search}.value = 'net1'; {search}.dispatchEvent(new Event('input')) }}"
    )
    assert rows <= 51
    assert changes <= 2_200


def test_a_printed_page_has_every_row_and_the_screen_its_first_again(
    browser: Chromium, long_page: Path
) -> None:
    browser.open(long_page)
    assert browser.run(COUNT) == 200
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.run(COUNT) == 2_000
    browser.run("dispatchEvent(new Event('afterprint'))")
    browser.wait_for(COUNT + " === 200")


def test_what_is_below_the_screen_is_laid_out_when_it_is_reached(
    browser: Chromium, long_page: Path
) -> None:
    browser.open(long_page)
    laid_out = (
        "document.querySelector('details.cell summary bdi')"
        ".checkVisibility({contentVisibilityAuto: true})"
    )
    assert browser.run(laid_out) is False
    browser.run("document.querySelector('#trials').scrollIntoView()")
    browser.wait_for(laid_out)


def test_the_table_can_be_sorted_before_the_page_is_whole(
    browser: Chromium, long_page: Path, tmp_path: Path
) -> None:
    """The script stands right behind the table: a page that is cut off there is one to use."""
    half = tmp_path / "half.html"
    half.write_text(long_page.read_text(encoding="utf-8").partition("</script>")[0] + "</script>")
    browser.open(half)
    assert browser.run("document.querySelector('#trials')") is None
    browser.click("[data-key='median-0'] button")
    assert browser.run("document.querySelector('[aria-sort]').dataset.key") == "median-0"
    assert browser.complaints() == []
