"""Draws specifications of Vega-Lite as SVG for a page, without what a page does not need."""

import re
from xml.etree import ElementTree as ET

import vl_convert

from gros_agent.reporting.drawings import Spec

_NAMESPACE = "{http://www.w3.org/2000/svg}"
_NUMBER = re.compile(r"-?\d*\.\d+(?:e-?\d+)?")
_NUMBERS = frozenset({"d", "transform", "x", "y", "x2", "y2", "width", "height"})
_UNUSED = frozenset({"role", "aria-roledescription", "aria-hidden", "pointer-events", "class", "stroke-miterlimit"})
_DRAWN = frozenset({"svg", "g", "path", "line", "text", "rect"})
"""What a drawing consists of: anything else is left out."""


def drawn(spec: Spec) -> str:
    """The SVG of a specification."""
    # Vega escapes the texts of data; what is parsed and written again is escaped by the standard library, too
    root = ET.fromstring(vl_convert.vegalite_to_svg(spec))  # noqa: S314
    _tidy(root)
    del root.attrib["width"], root.attrib["height"]
    root.attrib["aria-hidden"] = "true"
    return ET.tostring(root, encoding="unicode")


def _tidy(element: "ET.Element[str]") -> None:
    """Remove what is not seen, and the decimals that nobody sees."""
    element.tag = element.tag.removeprefix(_NAMESPACE)
    for name in [name for name in element.attrib if name in _UNUSED or ":" in name]:
        del element.attrib[name]
    for name in _NUMBERS & set(element.attrib):
        element.attrib[name] = _NUMBER.sub(_rounded, element.attrib[name])
    for child in list(element):
        _tidy(child)
        if _is_unseen(child):
            element.remove(child)


def _is_unseen(element: "ET.Element[str]") -> bool:
    if element.tag not in _DRAWN or element.get("display") == "none" or element.get("opacity") == "0":
        return True
    if element.tag == "g":
        return not len(element)
    return element.tag == "path" and not element.get("fill") and not element.get("stroke")


def _rounded(match: re.Match[str]) -> str:
    return f"{float(match[0]):.1f}".removesuffix(".0")
