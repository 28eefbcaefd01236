"""docs/models.md says what is so, and the new family of docs/develop.md works."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import pytest

from bench.records import ModelSpec
from bench.zoo import FAMILIES, published, realize, verify

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))

import make_models  # noqa: E402  docs/ is no package

PAGE = make_models.PAGE.read_text()
HEAVY = ("vgg16", "resnet101", "inception_resnet_v2")  # seconds and hundreds of MB


def section(name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def lines(rows: Iterable[make_models.Cells]) -> list[str]:
    return make_models.table(rows).splitlines()


def test_the_tables_of_families_and_schemes_are_current() -> None:
    assert section("families").splitlines() == lines(make_models.families())
    assert section("schemes").splitlines() == lines(make_models.schemes())


def test_the_table_of_reproduced_complexities_is_current(tmp_path: Path) -> None:
    """A tenth of the rows; tests/test_zoo_published.py counts every network."""
    page = section("complexity").splitlines()
    light = [row for row in published.rows() if row.family not in HEAVY]
    made = lines(make_models.complexity(tmp_path, light[::10]))
    assert set(made) <= set(page)
    assert len(page) > 90


def test_the_tables_of_wrong_figures_and_of_parameters_are_current(tmp_path: Path) -> None:
    assert section("wrong").splitlines() == lines(make_models.wrong(tmp_path))
    made = lines(make_models.parameters(tmp_path, skip=HEAVY))
    assert set(made) <= set(section("parameters").splitlines())


def test_the_example_of_a_new_family_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "develop.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    code = next(block for block in blocks if "FAMILY = " in block)
    (line,) = [block for block in blocks if "FAMILY" not in block]
    (name, module_name) = re.findall(r'"([^"]+)"', line)
    module = ModuleType(module_name)
    exec(compile(code, module_name, "exec"), vars(module))  # noqa: S102  our own page
    monkeypatch.setitem(sys.modules, module_name, module)
    monkeypatch.setitem(FAMILIES, name, module_name)
    axes = {"alpha": 0.5, "resolution": 32, "classes": 4}
    parent = realize(ModelSpec(family=name, axes=axes), tmp_path)
    assert parent.name == "three_convolutions_0.5_32_classes4_float32"
    model = realize(ModelSpec(family=name, axes=axes, quantization="int8"), tmp_path)
    assert verify(model, parent).ok
