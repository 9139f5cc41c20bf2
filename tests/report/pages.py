"""Pages taken apart, and results of the kinds that have an interactive part."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import xarray as xr

from tests.figures import planes, synthetic

VOID = {"meta", "img", "br", "link", "hr", "input"}
KINDS = ("evaluation", "spectrum", "surface", "features", "ensemble")


def results(names=("mlp", "gap", "gap-blur"), *, kinds=KINDS, draws=0):
    """Results of several networks; with draws, planes under several dropout masks."""
    found = synthetic.comparison(names)
    found = {name: {kind: each[kind] for kind in kinds} for name, each in found.items()}
    for name in names if draws else ():
        surface = xr.concat(planes.masks(name, draws), "mask")
        found[name]["surface"] = surface.assign_attrs(found[name]["surface"].attrs)
    return found


class Page(HTMLParser):
    """Collects links, images, headings, controls and text, and checks that tags are nested."""

    def __init__(self, html):
        super().__init__()
        self.links, self.ids, self.tags, self.images, self.open = [], [], [], [], []
        self.headings, self.policy, self.text, self.script, self.style, self.json = [], "", "", "", "", ""
        self.events, self.types, self.attributes = [], [], []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append(tag)
        self.attributes += list(given)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given[key] for key in ("href", "src") if key in given]
        if tag == "img":
            self.images.append(given)
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append(int(tag[1]))
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"]
        if tag == "script":
            self.types.append(given.get("type", ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        inside = self.open[-1] if self.open else ""
        if inside == "style":
            self.style += data
        elif inside == "script" and self.types[-1]:
            self.json += data
        elif inside == "script":
            self.script += data
        elif inside:
            self.text += data

    @property
    def data(self):
        return json.loads(self.json)
