"""Labelled results with their protocol, on disk and back; imports neither torch nor matplotlib."""

from landscape.results.bundle import load_bundle, save_bundle
from landscape.results.centre import at_centre, centre
from landscape.results.journal import Journal
from landscape.results.provenance import provenance
from landscape.results.sampling import LeftOut, left_out
from landscape.results.schema import KINDS, Check, attribute, differences, incidental, plain, stamp
from landscape.results.store import check_place, load, save

__all__ = [
    "KINDS",
    "Check",
    "Journal",
    "LeftOut",
    "at_centre",
    "attribute",
    "centre",
    "check_place",
    "differences",
    "incidental",
    "left_out",
    "load",
    "load_bundle",
    "plain",
    "provenance",
    "save",
    "save_bundle",
    "stamp",
]
