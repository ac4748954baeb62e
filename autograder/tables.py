"""CSV files as spreadsheets and learning management systems write them, and cells that no spreadsheet computes."""

import csv
import io
import re
from pathlib import Path

from autograder.problem import Problem

_FORMULA = r"\s*[=+\-@＝＋－＠\t\r]"  # what a spreadsheet computes; four of these are of Chinese type


def read(path: Path) -> "Table":
    """The cells of a CSV file with commas, semicolons or tabs, in any of the encodings that spreadsheets write. Raises Problem."""
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise Problem(f"{path} cannot be opened: {error.strerror}.") from None
    if raw[:2] == b"PK":
        raise Problem(f"{path} is a spreadsheet; save it as CSV (UTF-8) first.")
    for encoding in (
        "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig" if raw[:3] == b"\xef\xbb\xbf" else "utf-8",
        "cp1252",
    ):
        try:
            text = raw.decode(encoding)
            break
        except UnicodeError:
            continue
    else:
        raise Problem(f"{path} is neither UTF-8 nor in Western Europe's old encoding; save it as CSV (UTF-8).")
    if "\0" in text:
        raise Problem(f"{path} is no text in UTF-8; save it as CSV (UTF-8).")
    first = text.split("\n", 1)[0]
    delimiter, end = max(",;\t", key=first.count), "\r\n" if first.endswith("\r") else "\n"

    def rows(strict):
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict))

    try:
        found = rows(strict=False)
        if any("\n" in cell for row in found for cell in row):  # an open quotation mark takes in what follows
            rows(strict=True)
        return Table(found, encoding, delimiter, end)
    except csv.Error as error:
        raise Problem(f"{path} is no CSV file: {error}.") from None


class Table(list):
    """Rows of cells, and how the file had them."""

    def __init__(self, rows=(), encoding="utf-8", delimiter=",", end="\r\n"):
        super().__init__(rows)
        self.encoding, self.delimiter, self.end = encoding, delimiter, end


def marked(value) -> str:
    """A cell that no spreadsheet takes for a formula, whatever a student called a file.

    >>> marked("=cmd()"), marked(-3.5), marked("-")
    ("'=cmd()", '-3.5', '-')
    """
    text = "" if value is None else f"{value:.12g}" if isinstance(value, float) else str(value)
    formula = re.match(_FORMULA, text) and text != "-" and not isinstance(value, int | float)
    return "'" + text if formula else text


def unmarked(text: str) -> str:
    """What `marked` made the text of.

    >>> unmarked(marked(" ＝cmd()")), unmarked("'tis")
    (' ＝cmd()', "'tis")
    """
    return text[1:] if re.match(f"'{_FORMULA}", text) else text
