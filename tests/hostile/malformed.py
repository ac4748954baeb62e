"""Threat: broken JSON, old formats, missing or doubled ids, foreign kernels, symlinks, archives with paths outside.

What holds: a clear reason, and nothing else stops. What can be read keeps its points.
"""

import copy
import io
import json
import os
import random
import zipfile

from .classroom import EXERCISES, LESSON, NOTHING, Submission


def unreadable(name, content, says, **more):
    """Bytes in place of a notebook: no points, and a sentence on page and table."""
    change = content if callable(content) else lambda nb: content
    must_not = "stop the run, or be given nothing without a reason"
    return Submission(name, must_not, change=change, loses=EXERCISES, says=says, note=says, **more)


def repaired(name, change, **more):
    """A mangled notebook whose answers can be read: all points."""
    return Submission(name, "cost a student what is there to be read", change=change, **more)


def no_notebook(name, folder, skipped):
    return Submission(
        name, "stop the run, or be passed over", change=lambda nb: NOTHING, folder=folder, skipped=skipped
    )


def each_cell(edit):
    """A change that edits every cell."""

    def change(nb):
        for number, cell in enumerate(nb["cells"]):
            edit(cell, number)

    return change


def answers(nb):
    return [c for c in nb["cells"] if c["metadata"].get("nbgrader", {}).get("solution")]


def version_3(nb):
    cells = [{**c, "input": c["source"], "language": "python"} for c in nb["cells"]]
    for cell in cells:
        del cell["source"], cell["id"]
    return {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": ""},
        "worksheets": [{"cells": cells, "metadata": {}}],
    }


def version_2(nb):
    old = version_3(nb)
    old["nbformat"] = 2
    for cell in old["worksheets"][0]["cells"]:
        cell["input"] = cell["input"].splitlines(keepends=True)
    return old


def version_1(nb):
    return {"nbformat": 1, "cells": [{"cell_type": c["cell_type"], "code": c["source"]} for c in nb["cells"]]}


def without_labels(nb):
    for cell in nb["cells"]:
        cell["metadata"] = {}


def doubled(nb):
    nb["cells"] = [copy.deepcopy(cell) for cell in nb["cells"] for _ in range(3)]


def same_label(nb):
    for cell in nb["cells"][2:]:
        cell["id"] = "x"
    nb["cells"].insert(5, copy.deepcopy(nb["cells"][-1]))


def in_reverse(nb):
    nb["cells"].reverse()


def answers_only(nb):
    nb["cells"] = answers(nb)


def no_tests(nb):
    nb["cells"] = [c for c in nb["cells"] if not c["metadata"].get("nbgrader", {}).get("grade")]


def foreign_kernel(nb):
    nb["metadata"]["kernelspec"] = {
        "name": "../../bin/sh",
        "display_name": "R",
        "language": "R",
        "argv": ["touch", "/tmp/x"],
    }
    nb["metadata"]["language_info"] = {"name": "R", "file_extension": "/../x", "nbconvert_exporter": "os.system"}


def odd_metadata(nb):
    nb["metadata"] = {
        "autograder": {"withheld": 3},
        "nbgrader": 7,
        "title": {"a": []},
        "celltoolbar": None,
        "widgets": [1],
    }
    nb["nbformat"], nb["nbformat_minor"] = "four", [5]
    for number, cell in enumerate(nb["cells"]):
        odd = [3, "x", None, [], {"nbgrader": [1]}, {"nbgrader": {"grade_id": {}}}]
        if "nbgrader" not in cell["metadata"]:
            cell["metadata"] = odd[number % len(odd)]
        cell |= {"outputs": {"x": 1}, "execution_count": "many", "attachments": [1], "id": number}


def odd_cells(nb):
    odd = [
        None,
        3,
        "x",
        [],
        {},
        {"source": 5},
        {"source": {"a": 1}},
        {"cell_type": 7, "source": [1, None, ["x"]]},
        {"cell_type": "code"},
    ]
    nb["cells"][1:1] = [
        *odd,
        {"cell_type": "x" * 100, "metadata": {"nbgrader": {"grade_id": "no" * 9}}, "source": ["a", 3]},
    ]


def other_points(nb):
    for cell in nb["cells"]:
        mark = cell["metadata"].get("nbgrader")
        if mark:
            mark |= {"points": 1e308, "grade": not mark["grade"], "solution": not mark["solution"], "locked": False}
            mark |= {"schema_version": 99, "cell_type": "raw", "checksum": "0", "task": True}
            cell["metadata"]["tags"] = ["skip-execution", "raises-exception", "remove_cell", "setup"]


def halves(nb):
    nb["cells"][-1]["source"] = "Because \ud83d of \udcff halves \x00\x07\x1b[2J\u202e\ufeff"
    nb["cells"].append({"cell_type": "code", "metadata": {}, "source": "print('\ud83d \\ud83d')\n\x0c\nx = 1"})


def wrong_types_of_cells(nb):
    for cell in answers(nb):
        cell["cell_type"] = {"code": "raw", "markdown": "code"}[cell["cell_type"]]


def windows(nb):
    text = json.dumps(nb, indent=1).replace("\n", "\r\n")
    return b"\xef\xbb\xbf" + text.encode()


def lines_of_windows(nb):
    for cell in nb["cells"]:
        cell["source"] = [line + "\r\n" for line in cell["source"].split("\n")]


def extra_fields(nb):
    return {
        **nb,
        "nbformat": 4,
        "nbformat_minor": 99,
        "evil": {"__class__": "x", "py/object": "os.system"},
        "cells ": [],
    }


def with_nan(nb):
    nb["metadata"] |= {"nan": float("nan"), "inf": float("inf"), "big": 10**400, "": "", "__proto__": {"x": 1}}


def many_cells(nb):
    nb["cells"] += [{}] * 90_000 + [{"cell_type": "code", "source": "x = 1"}] * 50


def many_answers(nb):
    again = [{**answers(nb)[0], "source": f"x{i} = {i}"} for i in range(20_000)]
    nb["cells"][4:4] = again


def long_answer(nb):
    nb["cells"][-1]["source"] = "because " * 200_000


def long_line(nb):
    nb["cells"][2]["source"] += "\nx = '" + "y" * 3_000_000 + "'"


def large(nb):
    return json.dumps(nb).encode() + b" " * (21 << 20)


def wide(nb):
    return b'{"cells": [' + b"{}," * 2_000_000 + b"{}]}"


def deep(opening):
    return opening * 200_000


def deep_inside(nb):
    text = json.dumps(nb)
    return text.replace('"title"', '"title", "deep": ' + "[" * 900 + "]" * 900, 1).encode()


def binary():
    return random.Random(5).randbytes(5000)


def an_archive(nb, climbs=True):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../" * 9 + "escaped.txt" if climbs else f"{LESSON}.ipynb", json.dumps(nb))
        archive.writestr("/absolute.txt", "x")
    return buffer.getvalue()


# ---- what lies in the folder


def link(folder):
    (folder / f"{LESSON}.ipynb").symlink_to(folder.parents[2] / "solutions" / LESSON / f"{LESSON}.ipynb")


def dangling(folder):
    (folder / f"{LESSON}.ipynb").symlink_to("nowhere")


def round_about(folder):
    (folder / f"{LESSON}.ipynb").symlink_to(f"{LESSON}.ipynb")


def pipe(folder):
    os.mkfifo(folder / f"{LESSON}.ipynb")


def device_link(folder):
    (folder / f"{LESSON}.ipynb").symlink_to("/dev/zero")


def a_folder(folder):
    (folder / f"{LESSON}.ipynb" / "inside").mkdir(parents=True)


def linked_folder(folder):
    folder.rmdir()
    folder.symlink_to(folder.parents[2] / "solutions" / LESSON)


def two(folder):
    for name in ("a", "b"):
        (folder / name).mkdir()
        (folder / name / f"{LESSON}.ipynb").write_text("{}")


def odd_files(folder):
    os.mkfifo(folder / "pipe")
    (folder / "up").symlink_to("..")
    (folder / "zero").symlink_to("/dev/zero")
    for name in (
        b"\xff\xfe",
        b"new\nline",
        b"tab\t",
        b"-rf",
        b"*",
        b"~",
        b"$(touch x)",
        b"n" * 255,
        b"<script>x",
        b"\x1b[2J",
    ):
        with open(os.fsencode(folder) + b"/" + name, "wb") as file:
            file.write(b"x")
    (folder / "empty").mkdir()
    (folder / "closed").write_text("x")
    (folder / "closed").chmod(0)


def deep_folders(folder):
    (folder / "d" / "/".join("d" * 300)).mkdir(parents=True)


def sparse(folder):
    with (folder / "data.bin").open("wb") as file:
        file.truncate(1 << 30)


def many_files(folder):
    for i in range(3000):
        (folder / f"f{i}").touch()


def zip_beside(folder):
    (folder / "work.zip").write_bytes(an_archive({}))


def no_json(nb):
    return json.dumps(nb)[:-20].encode()


SUBMISSIONS = [
    unreadable("no-bytes", b"", "is empty"),
    unreadable("blanks", b" \n\t\r\n", "is empty"),
    unreadable("half-a-file", no_json, "no valid JSON"),
    unreadable("trailing", lambda nb: json.dumps(nb).encode() + b"}", "no valid JSON"),
    unreadable("binary", lambda nb: binary(), "no valid JSON"),
    unreadable("zeros", b"\0" * 10_000, "no valid JSON"),
    unreadable("zip-as-notebook", an_archive, "no valid JSON"),
    unreadable("utf-16", lambda nb: json.dumps(nb).encode("utf-16"), "no valid JSON"),
    unreadable("python", b"def relu(x):\n    return x\n", "no valid JSON"),
    unreadable("html", b"<!doctype html><script>alert(1)</script>", "no valid JSON"),
    unreadable("merge-conflict", lambda nb: b"<<<<<<< HEAD\n" + json.dumps(nb).encode(), "no valid JSON"),
    unreadable("deep-lists", lambda nb: deep(b"["), "no valid JSON"),
    unreadable("deep-objects", lambda nb: deep(b'{"a":'), "no valid JSON"),
    unreadable("deep-cells", lambda nb: b'{"cells":' + deep(b"["), "no valid JSON"),
    unreadable("digits", b'{"cells": ' + b"9" * 100_000 + b"}", "no valid JSON"),
    unreadable("a-list", b"[1, 2, 3]", "not a notebook"),
    unreadable("a-text", b'"cells"', "not a notebook"),
    unreadable("null", b"null", "not a notebook"),
    unreadable("no-cells", b'{"nbformat": 4}', "not a notebook"),
    unreadable("cells-object", b'{"cells": {"0": {}}}', "not a notebook"),
    unreadable("version-1", version_1, ""),
    unreadable("worksheets-text", b'{"worksheets": ["x", 3, {"cells": 5}, {"cells": null}]}', ""),
    unreadable("too-large", large, "MB"),
    unreadable("wide", wide, "cells"),
    repaired("version-2", version_2),
    repaired("version-3", version_3),
    repaired("version-99", extra_fields),
    repaired("no-labels", without_labels, loses=()),
    repaired("all-doubled", doubled),
    repaired("one-id-for-all", same_label),
    repaired("in-reverse", in_reverse),
    repaired("answers-only", answers_only),
    repaired("no-tests", no_tests),
    repaired("foreign-kernel", foreign_kernel),
    repaired("odd-metadata", odd_metadata),
    repaired("odd-cells", odd_cells),
    repaired("other-points", other_points),
    repaired("half-characters", halves),
    repaired("other-types", wrong_types_of_cells),
    repaired("from-windows", windows),
    repaired("lines-of-windows", lines_of_windows),
    repaired("not-numbers", with_nan),
    repaired("deep-metadata", deep_inside),
    repaired("long-answer", long_answer, says="because because"),
    repaired("long-line", long_line, loses=("relu",)),
    repaired("many-cells", many_cells),
    repaired("many-answers", many_answers),
    no_notebook("empty-folder", None, f"there is no {LESSON}.ipynb"),
    no_notebook("folder-as-notebook", a_folder, f"there is no {LESSON}.ipynb"),
    no_notebook("pipe-as-notebook", pipe, f"there is no {LESSON}.ipynb"),
    no_notebook("two-notebooks", two, f"2 notebooks named {LESSON}.ipynb"),
    no_notebook("folder-as-link", linked_folder, "links are not followed"),
    Submission(
        "link-to-the-solution",
        "have the instructor's notebook graded as theirs",
        change=lambda nb: NOTHING,
        folder=link,
        loses=EXERCISES,
        note="not a regular file",
    ),
    Submission(
        "link-to-nowhere",
        "stop the run",
        change=lambda nb: NOTHING,
        folder=dangling,
        loses=EXERCISES,
        note="not a regular file",
    ),
    Submission(
        "link-to-itself",
        "stop the run",
        change=lambda nb: NOTHING,
        folder=round_about,
        loses=EXERCISES,
        note="not a regular file",
    ),
    Submission(
        "link-to-a-device",
        "be read for ever",
        change=lambda nb: NOTHING,
        folder=device_link,
        loses=EXERCISES,
        note="not a regular file",
    ),
    Submission("odd-files", "stop the run by what lies beside", folder=odd_files),
    Submission("deep-folders", "stop it by depth", folder=deep_folders),
    Submission("sparse-file-beside", "fill the grader's disk with a file of no size", folder=sparse, note="data.bin"),
    Submission("many-files", "fill it with many", folder=many_files),
    Submission("zip-beside", "write outside by an archive", folder=zip_beside),
]
ODD_NAMES = [
    "[a-z]*",
    "*",
    "a,b;\"c'",
    "=1+1",
    "-rf",
    "{x}",
    "%s",
    "O'Brien",
    "Zoë Ünal",
    "<img src=x onerror=alert(1)>",
    "a b",
    "n" * 120,
    "\x1b[2Jx",
    "über\udcff",
]

# Names of folders; the answers differ from neighbour to neighbour, so that one graded in another's place is seen.
NAMES = ["[a-z]*", "*", "-rf", "{x}", "%s", "a,b;\"c'", "=1+1", "O'Brien", "Zoë Ünal", "a b", "n" * 120, "\x1b[2Jx"]
NAMES += ["<img src=x onerror=alert(1)>"]
for _number, _name in enumerate(NAMES):
    _lost = {"relu": "def relu(x):\n    return 0", "loses": ("relu",)} if _number % 2 else {}
    SUBMISSIONS.append(Submission(_name, "stop the run, or be graded as somebody else", **_lost))
for _name in ("über\udcff", "new\nline"):
    SUBMISSIONS.append(Submission(_name, "stop the run, or be passed over", skipped="rename the folder"))
