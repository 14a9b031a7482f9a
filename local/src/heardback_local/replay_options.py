"""The options of `heardback replay`."""

from pathlib import Path
from typing import Annotated

import typer

LogArgument = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="A text file: one line, one purchase.")
]
Delimiter = Annotated[
    str | None, typer.Option(help="comma, semicolon, tab or whitespace; else found out.")
]
Header = Annotated[bool | None, typer.Option("--header/--no-header", help="Else found out.")]
CustomerColumn = Annotated[str | None, typer.Option(help="Column: a name, or a number from 1.")]
DateColumn = Annotated[str | None, typer.Option(help="Column of the time.")]
AmountColumn = Annotated[str | None, typer.Option(help="Column of the amount.")]
OrderColumn = Annotated[str | None, typer.Option(help="Column of the order; else the line's own.")]
DateFormat = Annotated[
    str | None, typer.Option(help="Such as %d.%m.%Y; else ISO 8601 or yyyymmdd.")
]
Timezone = Annotated[str, typer.Option(help="Of times that name none.")]
ShiftTo = Annotated[
    str | None, typer.Option(metavar="now|ISO", help="The latest time becomes this one.")
]
Compress = Annotated[
    float, typer.Option(min=1, metavar="FACTOR", help="Time runs so many times faster.")
]
Rate = Annotated[float, typer.Option(min=0, help="Events a second; 0: full speed.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where the last replay ended.")]
Limit = Annotated[int | None, typer.Option(min=1, help="At most so many lines.")]
EmailPattern = Annotated[str, typer.Option(help="The address of each customer.")]
Source = Annotated[
    str | None, typer.Option(help="CloudEvents source; with another one, all is new.")
]
RejectsFile = Annotated[
    Path | None, typer.Option("--rejects", dir_okay=False, help="Write the bad lines here.")
]
Patience = Annotated[
    float, typer.Option(min=1, metavar="SECONDS", help="Give up when nothing moves so long.")
]
