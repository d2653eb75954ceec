"""PDF: the text of each page as it is read, with page numbers, headings and tables."""

from ingest.parsers.pdf.document import parse_pdf

__all__ = ["parse_pdf"]
