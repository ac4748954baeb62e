"""What lies in a folder or a zip, as a list of files that can be read safely: nothing is unpacked, no link is followed."""

import contextlib
import os
import re
import stat
import unicodedata
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from autograder.overlay import MAX_BYTES
from autograder.problem import Problem

MAX_FILES = 500  # of one submission
MAX_ENTRIES = 1_000_000  # of one archive
NAME_BYTES = 255  # of a part of a path, as file systems have it
_BOUNDED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED  # other kinds are unpacked in large pieces, whatever their size
_JUNK = {"__macosx", ".ds_store", "thumbs.db", "desktop.ini", ".ipynb_checkpoints"}
# controls, and the marks that turn the direction of what follows: a name must look like what it is
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


class Refused(Exception):
    """A file that is not taken; the message is a sentence for the instructor."""


@dataclass
class Entry:
    """A file of a source: its path with "/" between the parts, and a function that reads it or raises Refused."""

    path: str
    size: int
    read: Callable[[], bytes]

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.path.split("/"))


def plain(text: str) -> str:
    """Text that can be shown and written: composed characters, no invisible ones, no halves of characters.

    >>> plain("Zoe\\u0308\\u202e.txt")
    'Zoë.txt'
    """
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", text)).encode(errors="replace").decode()


def safe_path(name: str) -> str:
    """The path of an entry as we would write it. Raises Refused for one that leads out of its folder.

    >>> safe_path("Ada/./lesson\\\\a.ipynb")
    'Ada/lesson/a.ipynb'
    """
    name = name.replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", name):
        raise Refused("its path leads out of the folder, which no honest archive has; it was not unpacked.")
    cleaned = [_short(plain(part).strip() or "_", NAME_BYTES) for part in parts]
    if not cleaned or len(cleaned) > 40:
        raise Refused("its path cannot be used.")
    return "/".join(cleaned)


def short_path(path: str) -> str:
    """The path with at most 150 bytes in each part, which every file system takes; suffixes are kept.

    >>> len(short_path("x" * 200 + ".ipynb/a.txt"))
    156
    """
    return "/".join(_short(part, 150) for part in path.split("/"))


def _short(part, most):
    stem, suffix = os.path.splitext(part)
    suffix = _cut(suffix, most)
    return _cut(stem, most - len(suffix.encode())) + suffix


def _cut(text, most):
    """The text without the characters beyond so many bytes."""
    return text.encode()[:most].decode(errors="ignore")


def _is_junk(path):
    return any(part.casefold() in _JUNK or part.startswith("._") for part in path.split("/"))


@contextlib.contextmanager
def opened(source: Path):
    """The entries of a folder, a zip, or one notebook: (entries, [(name, sentence)] for what is not taken). Raises Problem."""
    source = Path(source)
    if source.is_dir():
        yield _folder(source)
    elif not source.exists():
        raise Problem(f"There is no {source}; give the folder or zip that holds the submissions.")
    elif source.suffix.lower() == ".ipynb":
        yield [Entry(plain(source.name), source.stat().st_size, lambda: _read(source))], []
    else:
        try:
            archive = zipfile.ZipFile(source)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise Problem(
                f"{source} cannot be read as a zip ({error}). Download it again; other archives must be unpacked to a folder first."
            ) from None
        with archive:
            yield _zip(archive)


def inside(entry: Entry) -> tuple[list[Entry], list[tuple[str, str]]]:
    """The entries of a zip that a student handed in. Raises Refused."""
    try:
        return _zip(zipfile.ZipFile(BytesIO(entry.read())))
    except Refused:
        raise
    except Exception as error:  # zipfile raises many kinds for what it cannot read
        raise Refused(f"it is no readable zip ({error}).") from None


def _folder(source):
    found, refused = [], []
    for folder, folders, files in os.walk(source, onerror=lambda e: refused.append((plain(str(e.filename)), _why(e)))):
        for name in [n for n in folders if os.path.islink(os.path.join(folder, n))]:
            refused.append((plain(os.path.relpath(os.path.join(folder, name), source)), "it is a link; not followed."))
        folders[:] = sorted(n for n in folders if not _is_junk(n))
        for name in sorted(files):
            path = Path(folder) / name
            shown = plain(str(path.relative_to(source)))
            if _is_junk(name):
                continue
            try:
                info = path.lstat()
                if not stat.S_ISREG(info.st_mode):
                    raise Refused("it is a link or a device, which is not opened.")
                entry = Entry(safe_path(str(path.relative_to(source))), info.st_size, lambda path=path: _read(path))
                found.append(entry)
            except Refused as problem:
                refused.append((shown, str(problem)))
            except OSError as error:
                refused.append((shown, _why(error)))
    return found, refused


def _why(error):
    return f"it cannot be opened ({error.strerror})."


def _read(path):
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as file:
            return _within(file.read(MAX_BYTES + 1))
    except OSError as error:
        raise Refused(_why(error)) from None


def _within(content):
    if len(content) > MAX_BYTES:
        raise Refused(f"it is larger than {MAX_BYTES >> 20} MB. Ask for it with its outputs cleared.")
    return content


def _zip(archive):
    found, refused = [], []
    infos = archive.infolist()
    if len(infos) > MAX_ENTRIES:
        raise Refused(f"it has {len(infos):,} entries, more than {MAX_ENTRIES:,}.")
    for info in infos:
        name = _decoded(info)
        if info.is_dir() or _is_junk(name):
            continue
        try:
            path = safe_path(name)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                raise Refused("it is a link or a device inside the archive; it was not unpacked.")
            if info.flag_bits & 1:
                raise Refused("it is locked with a password.")
            if info.compress_type not in _BOUNDED:
                raise Refused("it is packed in a way that is not read here; ask for an ordinary zip.")
            found.append(Entry(path, info.file_size, lambda info=info: _unpacked(archive, info)))
        except Refused as problem:
            refused.append((_short(plain(name), NAME_BYTES), str(problem)))
    return found, refused


def _decoded(info):
    """The name of an entry; older programs write UTF-8 without saying so."""
    if not info.flag_bits & 0x800:
        with contextlib.suppress(UnicodeError):
            return info.filename.encode("cp437").decode("utf-8")
    return info.filename


def _unpacked(archive, info):
    if info.file_size > MAX_BYTES:  # of the kinds in _BOUNDED, zipfile unpacks no more than that
        raise Refused(f"it unpacks to {info.file_size >> 20:,} MB; a file may have {MAX_BYTES >> 20} MB.")
    try:
        with archive.open(info) as file:
            return _within(file.read(MAX_BYTES + 1))
    except Refused:
        raise
    except Exception as error:  # of zipfile and of each way to compress
        raise Refused(f"it is damaged in the archive ({error}). Ask for it again.") from None
