"""Rules such as `area_um2 > 20 and solidity > 0.8`: a small language of its own, which can do nothing but compare.

    or, and, not                        between yes and no
    <  <=  ==  !=  >=  >   in           between numbers, or texts; chains such as 10 < area_px < 50
    +  -  *  /  **                      between numbers
    names of columns, numbers, "texts", True, False

The text is parsed to Python's syntax tree and only the nodes above are ever looked at; nothing is executed.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.errors import UsageError
from unetkit.objects.measuring.table import Table

LONGEST = 1000
"""Characters that a rule may have."""

_CLASS = "class_"  # what `class`, a word that Python keeps for itself, is called in the syntax tree

_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}  # fmt: skip
_ORDER: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip


def apply_rule(table: Table, rule: str) -> npt.NDArray[np.bool_]:
    """Which objects a rule keeps.

    Args:
        table: of objects.
        rule: a condition over its columns. A comparison with an unknown value (an empty cell) is never true.

    Returns:
        bool n, True where the rule holds.

    Raises:
        UsageError: the rule cannot be read, names no column (the nearest are in the message) or no class, compares
            numbers with texts, or does not come to yes or no.

    Example:
        >>> table = Table({"id": np.array([1, 2]), "area_px": np.array([7.0, 30.0])})
        >>> apply_rule(table, "area_px > 20").tolist()
        [False, True]
    """
    try:
        if len(rule) > LONGEST:
            raise UsageError("the rule is too long", found=f"{len(rule)} characters", expected=f"at most {LONGEST}")
        tree = ast.parse(_without_keyword(rule).strip(), mode="eval")
        with np.errstate(all="ignore"):
            kept = _Reader(table, rule).value(tree.body)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise UsageError(
            "the rule cannot be read", found=repr(rule), expected='such as "area_px > 20 and holes == 0"'
        ) from error
    if np.asarray(kept).dtype != bool:
        raise UsageError("the rule does not come to yes or no", found=repr(rule), expected='such as "area_px > 20"')
    return np.broadcast_to(kept, (len(table),)).copy()


def removed(table: Table, rules: list[str]) -> Table:
    """The table with `removed_by` telling for each object the first rule that did not keep it; no row goes.

    Raises:
        UsageError: as for `apply_rule`.

    Example:
        >>> removed(Table({"area_px": np.array([7.0, 30.0])}), ["area_px > 20"])["removed_by"].tolist()
        ['area_px > 20', '']
    """
    before = table.columns.get("removed_by")
    removed_by = np.full(len(table), "", object) if before is None else before.astype(object)
    for rule in rules:
        removed_by[~apply_rule(table, rule) & (removed_by == "")] = rule
    return table.with_column("removed_by", removed_by)


def _without_keyword(rule: str) -> str:
    parts = re.compile(r""""[^"]*"|'[^']*'|\bclass\b""")
    return parts.sub(lambda found: _CLASS if found[0] == "class" else found[0], rule)


class _Reader:
    """What the parts of one rule come to on one table."""

    def __init__(self, table: Table, rule: str) -> None:
        self.table, self.rule = table, rule

    def value(self, node: ast.expr) -> Any:
        """A number, a text, yes or no, or one of them for each object."""
        match node:
            case ast.Name():
                return self._column("class" if node.id == _CLASS else node.id)
            case ast.Constant(value=bool() | str()):
                return np.asarray(node.value)
            case ast.Constant(value=int() as number) if abs(number) < 2**63:
                return np.int64(number)  # exact: ids may have 64 bits
            case ast.Constant(value=int() | float() as number):
                return np.float64(number)
            case ast.UnaryOp(op=ast.Not()):
                return ~self._yes_or_no(node.operand)
            case ast.UnaryOp(op=ast.USub()):
                return -self._number(node.operand)
            case ast.BinOp() if type(node.op) in _ARITHMETIC:
                return _ARITHMETIC[type(node.op)](self._number(node.left), self._number(node.right))
            case ast.BoolOp():
                values = [self._yes_or_no(part) for part in node.values]
                join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
                result = values[0]
                for value in values[1:]:
                    result = join(result, value)
                return result
            case ast.Compare():
                return self._comparison(node)
        raise UsageError("the rule has a part that rules do not have", found=f"{ast.unparse(node)!r} in {self.rule!r}")

    def _comparison(self, node: ast.Compare) -> Any:
        left, result = node.left, np.asarray(True)
        for op, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, ast.In) and isinstance(right, ast.Tuple | ast.List):
                found = np.asarray(False)
                for choice in right.elts:
                    found = found | self._compared(ast.Eq, left, choice)
                result = result & found
            elif type(op) in _ORDER:
                result = result & self._compared(type(op), left, right)
            else:
                raise UsageError("the rule has a part that rules do not have", found=repr(self.rule))
            left = right
        return result

    def _compared(self, op: type[ast.cmpop], left: ast.expr, right: ast.expr) -> Any:
        one, two = np.asarray(self.value(left)), np.asarray(self.value(right))
        texts = [value.dtype.kind in "OU" for value in (one, two)]
        if texts[0] != texts[1]:
            raise UsageError(
                "the rule compares a number with a text",
                found=f"{ast.unparse(left)} and {ast.unparse(right)} in {self.rule!r}".replace(_CLASS, "class"),
            )
        if any(texts):
            self._known_class(left, right)
            return np.asarray(_ORDER[op](one.astype(str), two.astype(str)))
        known = ~(np.isnan(one.astype(np.float64)) | np.isnan(two.astype(np.float64)))
        return np.asarray(_ORDER[op](one, two)) & known

    def _known_class(self, left: ast.expr, right: ast.expr) -> None:
        """Refuse a text that is compared with the class of objects and is no class: it is a slip, and keeps nothing."""
        names = self.table.class_names
        for one, two in ((left, right), (right, left)):
            named = isinstance(one, ast.Name) and one.id == _CLASS
            if names and named and isinstance(two, ast.Constant) and two.value not in names:
                raise self._unknown("class", str(two.value), list(names))

    def _column(self, name: str) -> Any:
        if name not in self.table.columns:
            raise self._unknown("column", name, list(self.table.columns))
        return self.table[name]

    def _unknown(self, kind: str, name: str, known: list[str]) -> UsageError:
        near = get_close_matches(name, known, n=3, cutoff=0.4)
        mend = f"did you mean {' or '.join(map(repr, near))}?" if near else None
        return UsageError(f"the rule names a {kind} '{name}' that there is not", expected=", ".join(known), mend=mend)

    def _number(self, node: ast.expr) -> Any:
        value = np.asarray(self.value(node))
        if value.dtype.kind in "OUb":
            raise UsageError(
                "the rule calculates with what is no number", found=f"{ast.unparse(node)} in {self.rule!r}"
            )
        return value.astype(np.float64)

    def _yes_or_no(self, node: ast.expr) -> Any:
        value = np.asarray(self.value(node))
        if value.dtype != bool:
            raise UsageError(
                "the rule joins what is not yes or no",
                found=f"{ast.unparse(node)} in {self.rule!r}".replace(_CLASS, "class"),
                expected="a comparison, such as area_px > 20",
            )
        return value
