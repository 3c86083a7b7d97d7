"""The words of the language with their places in the text. The grammar file is the only list of them."""

import re
from collections.abc import Iterator
from pathlib import Path

from lark import Lark, Token
from lark.common import LexerConf
from lark.lexer import Lexer, PatternStr

_OPEN_TERMINALS = frozenset({"NAME", "NUMBER", "TIME", "TEXT"})  # whatever matches, not one fixed word
_SHAPES = re.compile(
    r"""(?P<TEXT>"(?:[^"\\\n]|\\["\\])*")
    |(?P<OPEN_TEXT>"[^\n]*)
    |(?P<TIME>\d{1,2}:\d{2}(?!\d))
    |(?P<DECIMAL>\d+[.,]\d+)
    |(?P<NUMBER>\d+)
    |(?P<NAME>[A-Za-z_][A-Za-z0-9_.\-]*)
    |(?P<COLON>:)|(?P<COMMA>,)|(?P<LPAR>\()|(?P<RPAR>\))
    |(?P<SPACE>[^\S\n]+)|(?P<LINE>\n)|(?P<COMMENT>\#[^\n]*)
    |(?P<STRANGE>.)""",
    re.VERBOSE | re.ASCII,
)
_SKIPPED = frozenset({"SPACE", "LINE", "COMMENT"})


class _Words(Lexer):
    """Hands our tokens to lark."""

    def __init__(self, lexer_conf: LexerConf) -> None:
        """Nothing is needed from lark's own settings."""

    def lex(self, data: str) -> Iterator[Token]:  # type: ignore[override]  # lark's custom lexers take the text itself
        """The tokens of a text."""
        return iter(lex(data))


GRAMMAR = Lark(
    Path(__file__).with_name("grammar.lark").read_text("utf-8"),
    parser="lalr",
    lexer=_Words,
    start="policy",
    propagate_positions=True,  # so that comments can be told which clause they stand at
)


def _keywords() -> dict[str, str]:
    """Every fixed word and the terminal it belongs to."""
    words: dict[str, str] = {}
    for terminal in GRAMMAR.terminals:
        if terminal.name not in _OPEN_TERMINALS:
            value = terminal.pattern.value
            spellings = [value] if isinstance(terminal.pattern, PatternStr) else re.findall(r"[a-z]+", value)
            words.update({spelling: terminal.name for spelling in spellings if spelling.isalpha()})
    return words


KEYWORDS = _keywords()


def lex(text: str) -> list[Token]:
    """The tokens of a policy. What is no part of the language comes as OPEN_TEXT, DECIMAL or STRANGE; never fails."""
    tokens: list[Token] = []
    line, line_begin = 1, 0
    for match in _SHAPES.finditer(text):
        kind = str(match.lastgroup)
        if kind == "LINE":
            line, line_begin = line + 1, match.end()
        elif kind not in _SKIPPED:
            value = match.group()
            if kind == "NAME":
                kind = KEYWORDS.get(value.lower(), kind)
            column = match.start() - line_begin + 1
            end = match.end()
            tokens.append(Token(kind, value, match.start(), line, column, line, column + len(value), end))
    return tokens


def comments(text: str) -> list[tuple[int, str]]:
    """Where each comment begins, and the comment with its #."""
    return [(match.start(), match.group()) for match in _SHAPES.finditer(text) if match.lastgroup == "COMMENT"]


def spelling(terminal: str) -> str:
    """How a terminal is written, for messages."""
    shapes = {
        "NAME": "a name",
        "NUMBER": "a number",
        "TIME": "a time like 20:00",
        "TEXT": "a text in quotes",
        "COLON": '":"',
        "COMMA": '","',
        "LPAR": '"("',
        "RPAR": '")"',
        "RULE": '"rule"',
        "$END": "the end of the text",
    }
    if terminal in shapes:
        return shapes[terminal]
    return f'"{max((word for word, name in KEYWORDS.items() if name == terminal), key=len)}"'
