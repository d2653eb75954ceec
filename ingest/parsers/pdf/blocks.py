"""A page's regions as blocks: paragraphs, and tables with and without rules."""

from collections.abc import Iterable

from ingest.parsers.pdf.lines import Line
from ingest.parsers.pdf.paragraphs import Block, find_paragraphs
from ingest.parsers.pdf.regions import Region, Row
from ingest.parsers.pdf.table_heads import render_rows
from ingest.parsers.pdf.tables import write_rows


def find_blocks(regions: Iterable[Region]) -> list[Block]:
    """Return the blocks of a page in reading order."""
    blocks: list[Block] = []
    for region in regions:
        if region.table and all(line.table < 0 for row in region.rows for line in row):
            lines = [line for row in region.rows for line in row]
            blocks.append(Block(lines, write_rows(region.rows), table=True))
        else:
            _add_rows(region.rows, blocks)
    for block in blocks:
        if block.table and not block.text:
            block.text = render_rows([line.cells for line in block.lines])
    return blocks


def _add_rows(rows: Iterable[Row], blocks: list[Block]) -> None:
    """Add the paragraphs of rows of text, and the ruled tables between them."""
    run: list[Line] = []
    for row in rows:
        text = [line for line in row if line.table < 0]
        if text:
            run.append(_join_row(text))
        for line in row:
            if line.table >= 0:
                blocks.extend(find_paragraphs(run))
                run = []
                _add_table_row(line, blocks)
    blocks.extend(find_paragraphs(run))


def _join_row(row: Row) -> Line:
    return row[0] if len(row) == 1 else Line([word for line in row for word in line.words])


def _add_table_row(line: Line, blocks: list[Block]) -> None:
    for block in blocks:
        if block.table and block.lines[0].table == line.table:
            block.lines.append(line)
            return
    blocks.append(Block([line], table=True))
