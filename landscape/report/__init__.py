"""A comparison as one page: figures, table, plain sentences and the trust report; imports no torch."""

from landscape.report.page import write_report
from landscape.report.sentences import sentences
from landscape.report.summary import summarise, write_summary

__all__ = ["sentences", "summarise", "write_report", "write_summary"]
