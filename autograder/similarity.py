"""Submissions that are nearly the same: solutions compared without their comments, layout and names of local variables.

A hint to look, never a verdict: short exercises have few right answers.
"""

import ast
import re
from functools import lru_cache

TOKEN = r"\w+|[^\w\s]"
ALIKE = 0.92  # cosine of the weighted pieces; one changed line in a page of code is about 0.95
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
    lines = [line for source in sources for line in normalised(source).splitlines()]
    return "\n".join(line for line in lines if line.strip() and line.strip() not in given)


def groups(texts: dict[str, str], alike=ALIKE) -> list[tuple[list[str], float]]:
    """The groups of keys whose texts are nearly the same, the largest first, and how alike the least alike neighbours are.

    >>> code = "\\n".join(f"v{i} = np.dot(v{i + 1}, w[{i}])" for i in range(20))
    >>> groups({"ada": code, "bob": code + "\\nreturn v0", "cleo": "\\n".join("abcdefgh" * 12)})[0][0]
    ['ada', 'bob']
    """
    import numpy as np
    from scipy.sparse.csgraph import connected_components
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.neighbors import NearestNeighbors

    keys = [key for key, text in texts.items() if len(re.findall(TOKEN, text)) >= LEAST_TOKENS]
    distinct = sorted({texts[key] for key in keys})  # a thousand copies of one text are compared once
    members = {text: [key for key in keys if texts[key] == text] for text in distinct}
    if not distinct:
        return []
    vectors = TfidfVectorizer(
        token_pattern=TOKEN, ngram_range=(2, 4), lowercase=False, sublinear_tf=True, dtype=np.float32
    ).fit_transform(distinct)
    search = NearestNeighbors(radius=1 - alike, metric="cosine", algorithm="brute").fit(vectors)
    graph = search.radius_neighbors_graph(vectors, mode="distance")
    count, labels = connected_components(graph, directed=False)
    found = []
    for label in range(count):
        here = np.flatnonzero(labels == label)
        names = sorted(key for place in here for key in members[distinct[place]])
        if len(names) > 1:
            part = graph[here][:, here]
            found.append((names, 1 - float(part.data.max()) if len(here) > 1 else 1.0))
    return sorted(found, key=lambda group: (-len(group[0]), group[0]))
