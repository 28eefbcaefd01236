"""A matplotlib figure as SVG that is part of a page: it takes the page's fonts and colours."""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import matplotlib as mpl
from markupsafe import Markup

from bench.report.plots.look import GLYPH_WARNING, STYLE, VARIABLES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SVG = {"svg.fonttype": "none", "svg.hashsalt": "bench", "path.simplify": False}
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_NUMBERS = {"d", "x", "y", "transform"}
_XLINK = "{http://www.w3.org/1999/xlink}href"


def inline_svg(figure: Figure, *, name: str, title: str, description: str) -> Markup:
    """The figure as an <svg> element, the same bytes for the same figure.

    `name` is unique in the page and put before every id. Ink, grid and series colours
    become the page's variables, so that the plot follows dark mode and print.
    """
    buffer = io.StringIO()
    with mpl.rc_context(STYLE | _SVG), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=GLYPH_WARNING)
        figure.savefig(buffer, format="svg", metadata=_NO_METADATA, transparent=True)
    root = ElementTree.fromstring(buffer.getvalue())  # noqa: S314 -- matplotlib wrote it
    _rewrite(root, name)
    _hoist(root)
    _describe(root, name, title, description)
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704 -- escaped by it


def _rewrite(root: ElementTree.Element, name: str) -> None:
    for parent in root.iter():
        for child in list(parent):
            # A style element would rule the whole page, not this figure alone.
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    used = {ref for e in root.iter() for value in e.attrib.values() for ref in _references(value)}
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        identity = element.attrib.pop("id", None)
        if identity in used:
            element.set("id", f"{name}-{identity}")
        target = element.attrib.pop(_XLINK, None)
        if target is not None:
            element.set("href", f"#{name}-{target[1:]}")
        for key, value in element.attrib.items():
            if "url(#" in value:
                element.set(key, value.replace("url(#", f"url(#{name}-"))
        for key in _NUMBERS & element.attrib.keys():
            element.set(key, re.sub(r"-?\d+\.\d+", _rounded, element.attrib[key]))
        element.text, element.tail = _without_indent(element.text), _without_indent(element.tail)
        if "style" in element.attrib:
            element.set("style", _style(element.attrib["style"]))


def _hoist(root: ElementTree.Element) -> None:
    """The style of many like markers, told once by their group."""
    for group in root.iter("g"):
        styles = {child.get("style") for child in group}
        if len(group) > 1 and len(styles) == 1 and all(child.tag == "use" for child in group):
            group.set("style", group[0].attrib["style"])
            for child in group:
                del child.attrib["style"]


def _references(value: str) -> list[str]:
    return [value[1:]] if value.startswith("#") else re.findall(r"url\(#([^)]+)\)", value)


def _rounded(found: re.Match[str]) -> str:
    return f"{float(found[0]):.2f}".rstrip("0").rstrip(".")


def _without_indent(text: str | None) -> str | None:
    return text if text and text.strip() else None


def _style(style: str) -> str:
    """Colours as variables, and of a font only its size and weight."""
    for colour, variable in VARIABLES.items():
        style = style.replace(f": {colour}", f": var({variable})")
    style = re.sub(r"font: (?:(bold|[1-9]00) )?([\d.]+px)[^;]*", _font, style)
    return re.sub(r"font-family: [^;]*; ?", "", style)


def _font(found: re.Match[str]) -> str:
    weight = f"; font-weight: {found[1]}" if found[1] else ""
    return f"font-size: {found[2]}{weight}"


def _describe(root: ElementTree.Element, name: str, title: str, description: str) -> None:
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    for tag, text in (("desc", description), ("title", title)):
        element = ElementTree.Element(tag, {"id": f"{name}-{tag}"})
        element.text = text
        root.insert(0, element)
