"""The documentation is true of the tool."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

from bench import sweep as sweeps

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def make_docs():
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "docs" / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_command_line_page_is_what_help_says():
    page = (ROOT / "docs" / "cli.md").read_text()
    assert page == make_docs().cli_page(), "run: python docs/make.py help"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_sweep_file_of_the_readme_can_be_read(tmp_path):
    (example,) = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "my_models").mkdir()
    (tmp_path / "my_models" / "net.tflite").write_bytes(b"x")
    (tmp_path / "my_trained.tflite").write_bytes(b"x")
    (tmp_path / "s.toml").write_text(example)
    loaded = sweeps.load(tmp_path / "s.toml")
    assert len(loaded.models) == 19
    assert len(loaded.configs) == 16


@pytest.mark.parametrize("file", sorted((ROOT / "examples").glob("*.toml")), ids=lambda p: p.name)
def test_an_example_is_named_as_its_file_and_can_be_read(file):
    assert tomllib.loads(file.read_text())["name"].replace("-", "_") == file.stem
    sweeps.load(file)


def test_the_readme_shows_a_real_session_of_a_virtual_phone():
    text = (ROOT / "README.md").read_text()
    session = re.search(r"<!-- session.*?<!-- /session -->", text, re.DOTALL)[0]
    assert "[virtual]" in session
    assert "Trials:" in session


def test_every_error_of_the_faq_is_one_that_the_tool_can_say():
    sources = "".join(path.read_text() for path in (ROOT / "bench").rglob("*.py"))
    page = (ROOT / "docs" / "faq.md").read_text()
    for heading in re.findall(r"^## (.+)$", page, re.MULTILINE):
        for part in heading.split("…"):
            assert part.strip(" .") in sources, heading
