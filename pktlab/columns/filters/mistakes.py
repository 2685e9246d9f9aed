"""What is wrong with a filter that does not read, in words: made of what lark expected and what stands there."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from pktlab.errors import FilterError

if TYPE_CHECKING:
    from lark.exceptions import UnexpectedToken

__all__ = ["unexpected", "unknown_character"]

_OTHER_WORDS = {
    "=": "==", "=>": ">=", "=<": "<=", "<>": "!=", "|": "||", "AND": "and", "OR": "or", "NOT": "not",
    "equals": "==", "is": "==", "has": "contains", "like": "matches", "include": "contains", "includes": "contains",
}  # fmt: skip
"""What people write who know other languages."""
_OPERATORS = (
    "and",
    "or",
    "not",
    "in",
    "contains",
    "matches",
    "==",
    "!=",
    "<=",
    ">=",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
)


def unexpected(text: str, error: UnexpectedToken) -> FilterError:
    """Return the error for a word or sign that stands where no such can."""
    token = error.token
    if token.type == "$END":
        return FilterError(text, len(text.rstrip()), f"{_wanted(error.accepts or error.expected)} is missing")
    at = token.start_pos or 0
    return FilterError(text, at, f"{str(token)[:40]} cannot stand here{_meant(str(token), error)}")


def _meant(word: str, error: UnexpectedToken) -> str:
    """Return what may have been meant, or what can stand there, as the end of a sentence."""
    wanted = error.accepts or error.expected
    operator = "COMPARE" in wanted or "_AND" in wanted
    if operator and word in _OTHER_WORDS:
        return f", did you mean {_OTHER_WORDS[word]}?"
    if operator and word.isidentifier():
        near = difflib.get_close_matches(word.lower(), _OPERATORS, 1, 0.6)
        if near:
            return f", did you mean {near[0]}?"
    return f"; {_wanted(wanted)} can"


def _wanted(names: object) -> str:
    """Return what lark's names of terminals mean."""
    assert isinstance(names, set | frozenset)
    if "WORD" in names:
        return "a field or a test" if "NOT" in names else "a value"
    if "COMMA" in names:
        return "a comma or a closing brace" if "RBRACE" in names else "a comma or a closing parenthesis"
    if "RBRACE" in names:
        return "a closing brace"
    if "LBRACE" in names:
        return "a set in braces"
    if "COMPARE" in names:
        return "a comparison, && or ||"
    return "&&, || or a closing parenthesis" if "RPAR" in names else "&& or ||"


def unknown_character(text: str, at: int) -> FilterError:
    """Return the error for a character with which nothing starts."""
    one = text[at]
    if one in "\"'":
        kind = "string" if one == '"' else "character"
        return FilterError(text, at, f"the {kind} that starts here does not end")
    if one == "[":
        return FilterError(text, at, "the slice that starts here does not end")
    if one == "#":
        return FilterError(text, at, "# wants the number of a layer, as in ip.src#2")
    if one == "$":
        return FilterError(text, at, "a reference to the selected packet means nothing here")
    for wrong in ("=>", "=<", "=", "|"):
        if text.startswith(wrong, at):
            return FilterError(text, at, f"{wrong} is no operator, did you mean {_OTHER_WORDS[wrong]}?")
    return FilterError(text, at, f"{one!r} means nothing here")
