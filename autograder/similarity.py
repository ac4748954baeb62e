"""Submissions that are nearly the same: solutions compared without their comments, layout and names of local variables.

A hint to look, never a verdict: short exercises have few right answers.
"""

import ast
import re
from collections import defaultdict
from functools import lru_cache
from heapq import nlargest
from typing import NamedTuple

TOKEN = r"\w+|[^\w\s]"
ALIKE = 0.92  # cosine of the weighted pieces; one changed line in a page of code is about 0.95
CLOSEST = 5  # pairs of a group that are told
MOST_CHARS = 20_000  # of a cell's code, and of all that a student wrote: the rest is not compared
LEAST_TOKENS = 60  # with less of their own, two honest solutions are the same by chance


@lru_cache(maxsize=4096)
def normalised(source: str) -> str:
    """Code without comments, docstrings and layout, its local names numbered in their order; text that is no code as it is.

    >>> normalised("def f(x):\\n    '''Twice.'''\\n    total = x + x  # both\\n    return total")
    'def f(v0):\\n    v1 = v0 + v0\\n    return v1'
    >>> normalised("not  code")
    'not code'
    """
    try:
        tree = ast.parse(source)
        bound = [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        bound += [n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)]
        return ast.unparse(ast.fix_missing_locations(_Plain(set(bound)).visit(tree)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return re.sub(r"[ \t]+", " ", re.sub(r"#.*", "", source)).strip()


class _Plain(ast.NodeTransformer):
    """Numbers the names that the code itself binds, and drops docstrings."""

    def __init__(self, bound):
        self.bound, self.numbers = bound, {}

    def _name(self, name):
        return f"v{self.numbers.setdefault(name, len(self.numbers))}" if name in self.bound else name

    def visit_Name(self, node):
        node.id = self._name(node.id)
        return node

    def visit_arg(self, node):
        node.arg, node.annotation = self._name(node.arg), None
        return node

    def visit_FunctionDef(self, node):
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return self.generic_visit(node)

    visit_AsyncFunctionDef = visit_ClassDef = visit_FunctionDef


def own_text(sources: list[str], stubs: list[str]) -> str:
    """What a student wrote into the solution cells: normalised, without the lines that the stub has too."""
    given = {line.strip() for stub in stubs for line in normalised(stub).splitlines()}
    lines = [line for source in sources for line in normalised(source[:MOST_CHARS]).splitlines()]
    return "\n".join(line for line in lines if line.strip() and line.strip() not in given)[:MOST_CHARS]


class Group(NamedTuple):
    """Keys whose texts are nearly the same."""

    keys: list[str]
    least: float  # how alike the least alike neighbours are
    closest: list[tuple[float, str, str]]  # the pairs that are most alike, of more than two


def groups(texts: dict[str, str], alike=ALIKE) -> list[Group]:
    """The groups of keys whose texts are nearly the same, the largest first.

    >>> code = "\\n".join(f"v{i} = np.dot(v{i + 1}, w[{i}])" for i in range(20))
    >>> groups({"ada": code, "bob": code + "\\nreturn v0", "cleo": "\\n".join("abcdefgh" * 12)})[0].keys
    ['ada', 'bob']
    """
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from sklearn.feature_extraction.text import TfidfVectorizer

    keys = [key for key, text in texts.items() if len(re.findall(TOKEN, text)) >= LEAST_TOKENS]
    members = {}  # a thousand copies of one text are compared once
    for key in keys:
        members.setdefault(texts[key], []).append(key)
    distinct = sorted(members)
    if not distinct:
        return []
    pieces = TfidfVectorizer(
        token_pattern=TOKEN, ngram_range=(2, 4), lowercase=False, sublinear_tf=True, dtype=np.float32
    )
    first, second, likeness = near(pieces.fit_transform(distinct), alike)
    graph = coo_array((likeness, (first, second)), shape=(len(distinct), len(distinct)))
    _, labels = connected_components(graph, directed=False)
    least = np.ones(len(distinct))
    np.minimum.at(least, labels[first], likeness)
    together, pairs = defaultdict(list), defaultdict(list)
    for text, label in zip(distinct, labels, strict=True):
        together[label] += members[text]
        pairs[label] += [(1.0, members[text][0], other) for other in members[text][1:]]
    for i, j, likeness_of_both in zip(first, second, likeness, strict=True):
        pairs[labels[i]].append((float(likeness_of_both), members[distinct[i]][0], members[distinct[j]][0]))
    found = [
        Group(sorted(keys), float(least[label]), nlargest(CLOSEST, pairs[label]) if len(keys) > 2 else [])
        for label, keys in together.items()
        if len(keys) > 1
    ]
    return sorted(found, key=lambda group: (-len(group.keys), group.keys))


def near(vectors, alike, exactly=1500):
    """The pairs of rows of a sparse matrix whose cosine is at least `alike`: (first, second, cosine).

    With more than `exactly` rows, the candidates come from a random projection (Johnson and Lindenstrauss, 1984), whose error
    at such cosines is below 0.01; each is then computed. A row that has a hundred likes is joined to the nearest of them.
    """
    import numpy as np
    from sklearn.preprocessing import normalize
    from sklearn.random_projection import SparseRandomProjection

    count, first, second = vectors.shape[0], [], []
    if count > exactly:
        sketch = SparseRandomProjection(512, random_state=0, dense_output=True).fit_transform(vectors)
        sketch = normalize(np.asarray(sketch, dtype=np.float32))
    else:
        sketch = vectors
    for start in range(0, count, 256):
        block = sketch[start : start + 256] @ sketch.T
        block = block if isinstance(block, np.ndarray) else block.toarray()
        for row, cosines in enumerate(block, start):
            likes = row + 1 + np.flatnonzero(cosines[row + 1 :] >= alike - (0.04 if count > exactly else 0))
            if len(likes) > 100:
                likes = likes[np.argpartition(-cosines[likes], 100)[:100]]
            first.append(np.full(len(likes), row))
            second.append(likes)
    first, second = np.concatenate(first), np.concatenate(second)
    cosines = [
        np.asarray(vectors[first[at : at + 4096]].multiply(vectors[second[at : at + 4096]]).sum(axis=1)).ravel()
        for at in range(0, len(first), 4096)
    ]
    cosines = np.concatenate(cosines) if cosines else np.zeros(0)
    keep = cosines >= alike
    return first[keep], second[keep], np.minimum(cosines[keep], 1)
