"""Tables that fold into one block for each row where their words do not fit next to each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich import box
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from cinemill.cli.terminal.wrapping import wrap

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Column

GAP = 2
"""Spaces between two columns."""
SHORTEST_CUT = 8
"""Columns that a cell keeps which may be cut, such as a video's name."""
NARROWEST_TEXT = 16
"""Columns below which sentences in a cell are not readable."""
INDENT = "    "


class FoldingTable(Table):
    """A table whose rows become blocks of ``Head: cell`` in a terminal too narrow for its words."""

    def __init__(self) -> None:
        # None around the columns, to fit into eighty.
        super().__init__(
            box=box.SIMPLE_HEAD, padding=(0, GAP - 1, 0, 0), pad_edge=False, show_edge=False
        )

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table, or its rows as blocks."""
        room = options.max_width - GAP * (len(self.columns) - 1)
        endless = options.update(width=10_000)
        measured = [self._measure(console, endless, column) for column in self.columns]
        spare = room - sum(one.minimum for one in measured)
        if spare < 0:
            yield from self._fold(options.max_width)
            return
        # Rich itself takes room from columns whose words then no longer fit.
        wished = sum(one.span for one in measured)
        for column, one in zip(self.columns, measured, strict=True):
            share = 1 if wished <= spare else spare / wished
            column.width = one.minimum + int(one.span * share)
        yield from super().__rich_console__(console, options)

    def _measure(self, console: Console, options: ConsoleOptions, column: Column) -> Measurement:
        """Return the least and the best width of a column."""
        cells = [*([column.header] if self.show_header else []), *column.cells]
        widths = [_measure_cell(console, options, column, cell) for cell in cells]
        return Measurement(
            max((one.minimum for one in widths), default=0),
            max((one.maximum for one in widths), default=0),
        )

    def _fold(self, width: int) -> Iterator[Text]:
        rows = zip(*(column.cells for column in self.columns), strict=True)
        heads = [_read(column.header) for column in self.columns]
        for number, row in enumerate(rows):
            if number and self.show_header:
                yield Text("")
            # Without heads, the first cell of each row names the others.
            named = (
                zip(heads, row, strict=True)
                if self.show_header
                else ((_read(row[0]), cell) for cell in row[1:])
            )
            for head, cell in named:
                if text := _read(cell).strip():
                    label = f"{head}: " if head else ""
                    style = cell.style if isinstance(cell, Text) else ""
                    lines = wrap(f"{label}{text}", width, indent=INDENT)
                    yield Text(lines, style=style, no_wrap=True, overflow="ignore")


def _measure_cell(
    console: Console, options: ConsoleOptions, column: Column, cell: Any
) -> Measurement:
    text = cell if isinstance(cell, Text) else Text(_read(cell))
    measured = Measurement.get(console, options, text)
    if text.overflow == "ellipsis":
        return Measurement(min(measured.maximum, SHORTEST_CUT), measured.maximum)
    if column.no_wrap:
        return Measurement(measured.maximum, measured.maximum)
    least = max(measured.minimum, min(measured.maximum, NARROWEST_TEXT))
    return Measurement(least, measured.maximum)


def _read(cell: Any) -> str:
    return cell.plain if isinstance(cell, Text) else str(cell)
