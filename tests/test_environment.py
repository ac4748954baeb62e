"""pyproject.toml says what the project needs; environment.yml and requirements.lock must say the same.

Each check returns what is wrong as sentences, so that it can be shown to fail on changed files.
"""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT, CONDA, LOCK = (
    (ROOT / name).read_text() for name in ("pyproject.toml", "environment.yml", "requirements.lock")
)
CONDA_NAMES = {"msgpack-python": "msgpack"}  # and PyPI's
CONDA_ONLY = {"pip"}  # installs the rest
CARRIED = {
    "bleach": "nbconvert",
    "markupsafe": "nbconvert",
    "matplotlib-inline": "ipython",
}  # imported, and brought by what is itself brought
PYTHONS = ("3.11.9", "3.12.9", "3.13.9", "3.14.2")


def bounds(lines):
    """{PyPI's name: set of bounds}"""
    found = {}
    for requirement in map(Requirement, lines):
        name = canonicalize_name(requirement.name)
        found[CONDA_NAMES.get(name, name)] = {str(specifier) for specifier in requirement.specifier}
    return found


def out_of_step(pyproject, environment):
    """Where environment.yml does not say what pyproject.toml says."""
    project, conda = tomllib.loads(pyproject)["project"], yaml.safe_load(environment)
    *packages, for_pip = conda["dependencies"]
    wanted = bounds([*project["dependencies"], "python" + project["requires-python"]])
    given = bounds(packages + for_pip["pip"][:-1])
    found = [f"{name} is in one file only" for name in sorted((wanted.keys() ^ given.keys()) - CONDA_ONLY)]
    for name in sorted(wanted.keys() & given.keys()):
        if wanted[name] != given[name]:
            found.append(f"{name}: {sorted(wanted[name])} against {sorted(given[name])}")
    if (conda["name"], conda["channels"]) != (project["name"], ["conda-forge"]):
        found.append("its name is not the project's, or it takes more channels than conda-forge")
    if for_pip["pip"][-1] != "--editable ." or not given.keys() >= CONDA_ONLY:
        found.append("the project itself is not installed at the end")
    return found


def unsatisfied(pyproject, lock, python):
    """The requirements of pyproject.toml that the lock does not pin, or not within bounds, on this version of Python."""
    project = tomllib.loads(pyproject)["project"]
    machine = default_environment() | {"python_full_version": python, "python_version": python.rpartition(".")[0]}
    pins = {}
    for line in lock.splitlines():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(machine):
            pins.setdefault(canonicalize_name(requirement.name), []).extend(requirement.specifier)
    found = []
    for line in project["dependencies"] + project["optional-dependencies"]["dev"]:
        requirement = Requirement(line)
        match pins.get(canonicalize_name(requirement.name), []):
            case [pin] if pin.operator == "==" and requirement.specifier.contains(pin.version):
                continue
            case pins_of_it:
                found.append(f"{line} is pinned as {[str(pin) for pin in pins_of_it]}")
    return found


def addresses(text):
    """URLs, options and anything else by which a file could name a host."""
    return re.findall(r"\S*(?:://|@|^-).*|\b(?:[a-z0-9-]+\.)+(?:org|com|io|net|dev)\b", text, re.MULTILINE)


def undeclared(pyproject, files):
    """What `files` ({name: source}) import of others, and neither pyproject.toml nor a package that it names brings."""
    project = tomllib.loads(pyproject)["project"]
    extras = project["optional-dependencies"]
    declared = set(bounds(project["dependencies"] + extras["cluster"] + extras["oracle"]))
    brought = declared.union(*map(needs, bounds(project["dependencies"])))
    brought |= {name for name, carrier in CARRIED.items() if carrier in brought and name in needs(carrier)}
    owners, found = packages_distributions(), []
    for name, source in files.items():
        for top in sorted(imports(source) - sys.stdlib_module_names - {"cnnlib", "autograder"}):
            if not {canonicalize_name(owner) for owner in owners.get(top, [top])} & brought:
                found.append(f"{name} imports {top}")
    return found


def needs(name):
    """What a distribution itself requires, without its extras."""
    lines = [Requirement(line) for line in requires(name) or []]
    return {canonicalize_name(r.name) for r in lines if r.marker is None or r.marker.evaluate({"extra": ""})}


def imports(source):
    """The top-level names that a module imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def test_environment_yml_is_in_step():
    assert out_of_step(PROJECT, CONDA) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("numpy>=2.3,<3", "numpy>=2.2,<3"),
        ("numpy>=2.3,<3", "numpy>=2.3"),
        ("  - rich>=14,<16\n", ""),
        ("  - pip\n", "  - pip\n  - pandas\n"),
        ("  - pip\n", ""),
        ("python>=3.11", "python>=3.10"),
        ("msgpack-python", "msgpack-numpy"),
        ("latex2mathml>=3.80", "latex2mathml>=3.7"),
        ("--editable .", "--editable ./cnnlib"),
        ("  - conda-forge\n", "  - conda-forge\n  - defaults\n"),
        ("name: cnn-by-hand", "name: other"),
    ],
)
def test_an_environment_out_of_step_is_found(old, new):
    assert CONDA.count(old) == 1
    assert len(out_of_step(PROJECT, CONDA.replace(old, new))) >= 1


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_satisfies_the_bounds(python):
    assert unsatisfied(PROJECT, LOCK, python) == []


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r"^matplotlib==\S+", "matplotlib==3.10.0"),
        (r"^numpy==.*\n", ""),
        (r"^rich==", "rich>="),
        (r"^(pytest==.*\n)", r"\1\1"),
        (r"^ruff==\S+", "ruff==2.0"),
    ],
)
def test_a_lock_out_of_bounds_is_found(python, old, new):
    assert len(unsatisfied(PROJECT, re.sub(old, new, LOCK, flags=re.MULTILINE), python)) == 1


def test_no_file_names_a_host():
    assert [addresses(text) for text in (PROJECT, CONDA, LOCK)] == [[], [], []]


@pytest.mark.parametrize(
    "line",
    ["--index-url https://host/simple", "-i host", "a @ file:///x.whl", "a==1 # via pypi.org", "git+ssh://host/a"],
)
def test_a_host_is_found(line):
    assert len(addresses(LOCK + line)) >= 1


def sources():
    return {
        str(path.relative_to(ROOT)): path.read_text()
        for tree in ("cnnlib", "autograder")
        for path in ROOT.glob(f"{tree}/**/*.py")
    }


def test_every_import_is_declared():
    assert len(sources()) > 20
    assert undeclared(PROJECT, sources()) == []


def test_an_undeclared_import_is_found():
    assert undeclared(PROJECT, {"a.py": "def f():\n    import hypothesis.strategies"}) == ["a.py imports hypothesis"]
    assert undeclared(PROJECT, {"a.py": "from nothing.here import x"}) == ["a.py imports nothing"]
    assert "cnnlib/plot.py imports matplotlib" in undeclared(
        re.sub(r'    "(matplotlib|scikit-image|ipympl).*\n', "", PROJECT), sources()
    )
