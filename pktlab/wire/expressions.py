"""Construct's `this` expressions as data: evaluated, checked for names, printed, and solved for a length.

A length in a schema is written once, as what the parser evaluates (``this.hdr_len - 20``). Building needs the other
direction: which `hdr_len` makes that expression equal the size of what was built? `solve` answers it, and refuses an
answer that does not come out even, so that no header is built that its own parser rejects.
"""

from __future__ import annotations

import difflib
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from construct import expr

__all__ = [
    "Evaluator",
    "Scope",
    "check_names",
    "evaluator",
    "is_invertible",
    "names_in",
    "solve",
    "target",
    "text",
]

Scope = Mapping[str, Any]
Evaluator = Callable[[Any], Any]
_SYMBOLS: dict[Any, str] = dict(expr.opnames)
_INVERTIBLE = {operator.add, operator.sub, operator.mul, operator.floordiv}


def evaluator(expression: Any, *, over_header: bool = False) -> Evaluator:
    """Return a plain function that gives the value of `expression` (a constant gives itself).

    Its argument is a mapping of field values, or with `over_header` a header, for expressions like ``obj_.kind``.
    Construct evaluates its own expression trees ten times slower, and this is on the path of every option.

    >>> from construct import this
    >>> evaluator(this.hdr_len * 4 - 20)({"hdr_len": 6})
    4
    """
    if expression is None:
        return _nothing
    held: dict[str, Any] = {}
    source = _source(expression, held, "scope.{}" if over_header else "scope[{!r}]")
    function: Evaluator = eval(f"lambda scope: {source}", held)  # names and operators of a schema, nothing from outside
    return function


def _nothing(_: Any) -> None:
    """Stand for an expression that is not there: compiling one for every header would be felt at start-up."""


def _source(expression: Any, held: dict[str, Any], reading: str) -> str:
    """Return Python source for `expression`; what has no notation is put into `held` under a name of its own."""
    if isinstance(expression, expr.BinExpr) and expression.op in _SYMBOLS:
        left, right = (_source(side, held, reading) for side in (expression.lhs, expression.rhs))
        return f"({left} {_SYMBOLS[expression.op]} {right})"
    if isinstance(expression, int):
        return repr(expression)
    name = _field_name(expression)
    if name is not None and name.isidentifier():
        return reading.format(name)
    key = f"held_{len(held)}"
    held[key] = expression
    return f"{key}(scope)" if callable(expression) else key


def _field_name(expression: Any) -> str | None:
    """Return the field that a ``this.name`` names; None for anything else (`this` itself, ``this._.name``)."""
    if not isinstance(expression, expr.Path):
        return None
    name = expression.__getfield__()
    return name if isinstance(name, str) and repr(expression) in _plain_paths(name) else None


def _plain_paths(name: str) -> tuple[str, ...]:
    return f"this[{name!r}]", f"obj_[{name!r}]"


def names_in(expression: Any) -> list[str]:
    """Return the field names in `expression`, from left to right.

    >>> from construct import this
    >>> names_in(this.len - this.hdr_len)
    ['len', 'hdr_len']
    """
    if isinstance(expression, expr.BinExpr):
        return names_in(expression.lhs) + names_in(expression.rhs)
    if isinstance(expression, expr.UniExpr):
        return names_in(expression.operand)
    name = _field_name(expression)
    return [] if name is None else [name]


def target(expression: Any) -> str | None:
    """Return the field that `solve` solves for, the leftmost one; None if the expression names none."""
    found = names_in(expression)
    return found[0] if found else None


def text(expression: Any, rename: Callable[[str], str] = str) -> str:
    """Return `expression` as a person writes it; `rename` maps a field's attribute to the name to show.

    >>> from construct import this
    >>> text(this.len * 8 + 6), text((this.hdr_len - 20) * 4)
    ('len * 8 + 6', '(hdr_len - 20) * 4')
    """
    if isinstance(expression, expr.BinExpr):
        left, right = (text(side, rename) for side in (expression.lhs, expression.rhs))
        if isinstance(expression.lhs, expr.BinExpr) and _binds_weaker(expression.lhs.op, expression.op):
            left = f"({left})"
        if isinstance(expression.rhs, expr.BinExpr):
            right = f"({right})"
        return f"{left} {_SYMBOLS[expression.op]} {right}"
    name = _field_name(expression)
    if name is None and isinstance(expression, expr.Path):
        return str(expression)
    return rename(name) if name is not None else str(expression)


def _binds_weaker(inner: Any, outer: Any) -> bool:
    additive = {operator.add, operator.sub}
    return inner not in {operator.mul, operator.floordiv} and outer not in (additive if inner in additive else ())


def solve(expression: Any, result: int, scope: Scope) -> int:
    """Return the value of `target(expression)` for which `expression` equals `result`.

    Parameters
    ----------
    expression : sums, differences and products with constants (and with other fields, taken from `scope`)
    result : what it has to come to, usually a number of bytes
    scope : values of the other fields

    Raises
    ------
    ValueError : no whole number does it

    >>> from construct import this
    >>> solve(this.len * 8 + 6, 14, {})
    1
    >>> solve(this.len * 8 + 6, 15, {})
    Traceback (most recent call last):
        ...
    ValueError: len * 8 + 6 cannot be 15: the size must be a multiple of 8, plus 6
    """
    whole, wanted = expression, result
    while isinstance(expression, expr.BinExpr):
        op, on_left = expression.op, bool(names_in(expression.lhs))
        known_side = expression.rhs if on_left else expression.lhs
        known = known_side(scope) if callable(known_side) else known_side
        if op is operator.add:
            result -= known
        elif op is operator.sub:
            result = result + known if on_left else known - result
        elif op is operator.floordiv:
            result *= known
        else:
            result, left_over = divmod(result, known)
            if left_over:
                raise ValueError(f"{text(whole)} cannot be {wanted}: {_even(whole, known)}")
        expression = expression.lhs if on_left else expression.rhs
    return result


def _even(whole: Any, factor: int) -> str:
    offset = f", plus {whole.rhs}" if whole.op is operator.add else ""
    return f"the size must be a multiple of {factor}{offset}"


def check_names(owner: str, expression: Any, known: Iterable[str]) -> None:
    """Raise TypeError if `expression` names a field that does not come before it, or cannot be inverted exactly."""
    known = list(known)
    for name in names_in(expression):
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean this.{near[0]}?" if near else ""
            raise TypeError(f"{owner}: this.{name} is no field before it{hint}")
    _check_division(owner, expression)


def _check_division(owner: str, expression: Any) -> None:
    if not isinstance(expression, expr.BinExpr):
        return
    if expression.op in {operator.truediv, operator.floordiv, operator.mod} and names_in(expression.rhs):
        raise TypeError(f"{owner}: a length may not be divided by a field ({text(expression)})")
    _check_division(owner, expression.lhs)
    _check_division(owner, expression.rhs)


def is_invertible(expression: Any) -> bool:
    """Tell whether `solve` can solve `expression`: only + - * // around its leftmost field."""
    if isinstance(expression, expr.BinExpr):
        side = expression.lhs if names_in(expression.lhs) else expression.rhs
        return expression.op in _INVERTIBLE and is_invertible(side)
    return _field_name(expression) is not None
