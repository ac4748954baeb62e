"""What a zip may hold: whatever stands in it, reading it takes little memory and time."""

import io
import tracemalloc
import zipfile

import pytest

from autograder.archive import Entry, inside, safe_path, short_path
from autograder.overlay import MAX_BYTES


def zipped(compression, name="a.ipynb", size=64 << 20):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression) as archive:
        archive.writestr(name, bytes(size))
    return Entry("all.zip", 0, data.getvalue)


def declared(entry, size):
    """The same zip, which says in its list that its file is of this size."""
    found = bytearray(entry.read())
    at = found.index(b"PK\x01\x02") + 24
    found[at : at + 4] = size.to_bytes(4, "little")
    return Entry("all.zip", 0, lambda: bytes(found))


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_zipfile_unpacks_in_large_pieces_is_not_read(compression):
    found, refused = inside(declared(zipped(compression), 1000))
    assert found == [] and refused[0][0] == "a.ipynb" and "ask for an ordinary zip" in refused[0][1]


def test_a_zip_that_lies_about_a_size_takes_no_more_memory_than_a_file_may():
    (entry,), refused = inside(declared(zipped(zipfile.ZIP_DEFLATED, size=256 << 20), 1000))
    tracemalloc.start()
    try:
        with pytest.raises(Exception, match="damaged"):
            entry.read()
        assert tracemalloc.get_traced_memory()[1] < 3 * MAX_BYTES and refused == []
    finally:
        tracemalloc.stop()


def test_long_names_are_cut_and_keep_their_suffix():
    """The names of zips may have 65,535 bytes; to look for patterns in one takes its time."""
    (entry,), _ = inside(zipped(zipfile.ZIP_STORED, f"ada/{'й' * 30_000}.ipynb", 1))
    assert len(entry.parts[1].encode()) in (254, 255) and entry.path.endswith("й.ipynb")
    assert safe_path("a" * 255) == "a" * 255 and len(safe_path("." + "a" * 300)) == 255
    assert short_path(entry.path).endswith("й.ipynb") and len(short_path(entry.path).encode()) <= 154
