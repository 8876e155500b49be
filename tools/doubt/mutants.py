"""Break code on purpose: find a piece of it by what it means and put another in its place.

Code is compared as syntax trees, so a line may move, be formatted anew or get a comment, and is still found.
"""

from __future__ import annotations

import ast


def mutate(source: str, function: str, right: str, wrong: str) -> str:
    """The source with ``right`` replaced by ``wrong`` within the function; without its comments.

    Args:
        function: a dotted name (``AdamW._move``); empty for the whole source.
        right: one statement or one expression.
        wrong: what stands there instead; several statements may take the place of one.

    >>> print(mutate("def half(x):\\n    return (x /\\n            2)  # of it", "half", "x / 2", "x / 3"))
    def half(x):
        return x / 3

    Raises ``ValueError`` unless the function is there and holds the right piece exactly once.
    """
    tree = ast.parse(source)
    replacing = _Replacing(_piece(right), ast.parse(wrong).body)
    replacing.visit(find(tree, function))
    if replacing.count != 1:
        raise ValueError(
            f"{function} has {right!r} {replacing.count} times instead of once; quote the right code again."
        )
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def count(source: str, right: str) -> int:
    """How often a source has this piece; 0 where it is no Python, such as a cell with a command of IPython."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return 0
    wanted = ast.dump(_piece(right))
    return sum(ast.dump(node) == wanted for node in ast.walk(tree))


def find(tree: ast.Module, function: str) -> ast.AST:
    """The function or class of this dotted name; ``ValueError`` where it is not there."""
    scope: ast.AST = tree
    for name in function.split(".") if function else ():
        named = (
            node
            for node in ast.iter_child_nodes(scope)
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name
        )
        found = next(named, None)
        if found is None:
            raise ValueError(f"There is no {function}: {name} is not there.")
        scope = found
    return scope


def _piece(code: str) -> ast.AST:
    """A statement, or the expression if the code is nothing but one."""
    (statement,) = ast.parse(code).body
    return statement.value if isinstance(statement, ast.Expr) else statement


class _Replacing(ast.NodeTransformer):
    """Puts ``wrong`` wherever the tree has ``right``, and counts."""

    def __init__(self, right: ast.AST, wrong: list[ast.stmt]) -> None:
        self.right = ast.dump(right)
        self.wrong = wrong
        self.count = 0

    def visit(self, node: ast.AST) -> ast.AST | list[ast.stmt]:
        # A call that stands alone is a statement: any others may take its place.
        if ast.dump(node.value if isinstance(node, ast.Expr) else node) != self.right:
            return self.generic_visit(node)
        self.count += 1
        if isinstance(node, ast.stmt):
            return self.wrong
        (statement,) = self.wrong
        assert isinstance(statement, ast.Expr)
        return statement.value
