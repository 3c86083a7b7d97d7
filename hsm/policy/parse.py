"""From text to policy. After a fault reading goes on, so that every fault is named at once.

How it goes on: a misspelt word is taken as the word it resembles, a missing word is put in, and failing both the clause
is left out. None of these guesses ever reaches a policy: any fault at all means PolicyInvalid.
"""

from dataclasses import dataclass, field

from lark import Token, Tree, UnexpectedInput, UnexpectedToken
from lark.parsers.lalr_interactive_parser import InteractiveParser

from hsm.policy.build import build
from hsm.policy.faults import Fault, PolicyInvalid, nearest_word
from hsm.policy.model import Policy
from hsm.policy.tokens import GRAMMAR, KEYWORDS, lex, spelling

_CLAUSES = frozenset({"RULE", "WHEN", "ONLY", "AT", "COPY", "KEEP", "RELEASE", "PIN", "VERIFY", "COMPRESS", "PREFETCH"})
_ACTIONS = frozenset({"COPY", "KEEP", "RELEASE", "PIN", "VERIFY", "COMPRESS", "PREFETCH"})
_LATE = frozenset({"WHEN", "ONLY", "AT"})
_STAND_INS = {"NUMBER": "7", "TIME": "07:00", "NAME": "x", "TEXT": '"x"'}
_END = "$END"


def parse(text: str, name: str = "policy") -> Policy:
    """Read a policy.

    Raises: PolicyInvalid with every fault found, in the order of the text.
    """
    try:
        tree, found = GRAMMAR.parse(text), list[Fault]()
    except UnexpectedInput:  # read again, slowly, for all that is wrong
        reader = _Reader()
        tree, found = reader.read(lex(text)), reader.faults
    rules, faults = build(tree)
    if found or faults:
        seen = {(fault.line, fault.column) for fault in found}
        raise PolicyInvalid(name, [*found, *(f for f in faults if (f.line, f.column) not in seen)])
    return Policy(rules, name)


@dataclass
class _Reader:
    """Feeds tokens to the parser and survives the wrong ones."""

    faults: list[Fault] = field(default_factory=list)
    state: InteractiveParser = field(default_factory=GRAMMAR.parse_interactive)
    rule_start: InteractiveParser | None = None  # the state before the present rule
    clause_start: InteractiveParser | None = None  # the state before the present clause
    damaged: bool = False  # something was left out of the present rule

    def read(self, tokens: list[Token]) -> Tree[Token]:
        """Feed all tokens; the tree of what could be understood."""
        line = 0
        skip_to: frozenset[str] | None = None
        for token in tokens:
            first = token.line != line
            begins = first and token.type in _CLAUSES
            line = token.line or line
            if skip_to is not None:
                if not ((begins and token.type in skip_to) or (first and _resembles(token, skip_to))):
                    continue
                skip_to = None
            skip_to = self._take(token, first)
        return self._finish(tokens)

    def _take(self, token: Token, first: bool) -> frozenset[str] | None:
        """Feed one token; when it cannot be used, what to skip to."""
        begins = first and token.type in _CLAUSES
        before = _copied(self.state)
        if self._feed(before, token):
            self._mark(token, begins, before)
            return None
        if token.type == "RULE":
            if not self.damaged:
                self._say_rule_unfinished(before, token)
            self._drop_rule(token)
            return None
        if begins and self.damaged and self.clause_start is not None and self._feed(_copied(self.clause_start), token):
            self._mark(token, begins, self.clause_start)
            return None
        if begins and self.damaged and _accepts(before) <= {"RULE", _END}:
            return frozenset({"RULE"})
        self.faults.append(_describe(token, _accepts(before)))
        late = token.type in _LATE and bool(_accepts(before) & _ACTIONS)
        if not late and self._guess(before, token, first):
            return None
        self.damaged = True
        if late or (first and not begins):
            self.state = before
            return _CLAUSES
        if self.clause_start is None:
            self.state = before
            return frozenset({"RULE"})
        self.state = _copied(self.clause_start)
        if begins and self._feed(_copied(self.state), token):
            return None
        return _CLAUSES

    def _feed(self, state: InteractiveParser, *tokens: Token) -> bool:
        """Feed tokens to a copy of a state; on success it is the state to go on from."""
        trial = _copied(state)
        try:
            for token in tokens:
                trial.feed_token(token)
        except UnexpectedToken:
            return False
        self.state = trial
        return True

    def _mark(self, token: Token, begins: bool, before: InteractiveParser) -> None:
        if token.type == "RULE":
            self.rule_start, self.damaged = before, False
        if begins or token.type == "RULE":
            self.clause_start = before

    def _drop_rule(self, token: Token) -> None:
        """Go on as if the present rule had not been begun."""
        state = self.rule_start or GRAMMAR.parse_interactive()
        self._feed(state, token)
        self._mark(token, True, state)

    def _say_rule_unfinished(self, state: InteractiveParser, token: Token) -> None:
        if _accepts(state) & _ACTIONS and not _accepts(state) & {"NAME", "TEXT"}:
            self.faults.append(_says_nothing(token))
        else:
            self.faults.append(_describe(token, _accepts(state)))

    def _guess(self, before: InteractiveParser, token: Token, first: bool) -> bool:
        """Go on as if the writer had meant something that fits."""
        accepts = _accepts(before)
        if token.type == "NAME":
            word = nearest_word(token.value, _known(accepts))
            if word is not None and self._feed(before, Token.new_borrow_pos(KEYWORDS[word], word, token)):
                self._mark(Token.new_borrow_pos(KEYWORDS[word], word, token), KEYWORDS[word] in _CLAUSES, before)
                return True
        if first and token.type not in _CLAUSES:
            return False
        for missing in sorted(accepts - {_END, "LPAR", "NOT", "RULE"}, key=lambda name: (name not in _STAND_INS, name)):
            if self._feed(before, _stand_in(missing, token), token):
                return True
        if accepts & {"NAME", "TEXT"} and token.type not in {"COLON", "COMMA", "LPAR", "RPAR"}:
            return self._feed(before, _stand_in("NAME" if "NAME" in accepts else "TEXT", token))
        return bool(accepts & {"NUMBER"}) and token.type == "DECIMAL" and self._feed(before, _stand_in("NUMBER", token))

    def _finish(self, tokens: list[Token]) -> Tree[Token]:
        last = tokens[-1] if tokens else Token("TEXT", "", 0, 1, 1)
        end = Token(_END, "", last.end_pos, last.line, (last.column or 1) + len(last))
        try:
            return self._tree(_copied(self.state), end)
        except UnexpectedToken:
            if not self.damaged:
                self._say_rule_unfinished(self.state, end)
        return self._tree(self.rule_start or GRAMMAR.parse_interactive(), end)

    def _tree(self, state: InteractiveParser, end: Token) -> Tree[Token]:
        tree: Tree[Token] = state.feed_token(end)
        return tree


def _copied(state: InteractiveParser) -> InteractiveParser:
    twin: InteractiveParser = state.copy()  # type: ignore[no-untyped-call]  # lark does not annotate it
    return twin


def _accepts(state: InteractiveParser) -> set[str]:
    terminals: set[str] = state.accepts()  # type: ignore[no-untyped-call]  # lark does not annotate it
    return terminals


def _stand_in(terminal: str, token: Token) -> Token:
    words = [word for word, name in KEYWORDS.items() if name == terminal]
    return Token.new_borrow_pos(terminal, words[0] if words else _STAND_INS.get(terminal, ":"), token)


def _resembles(token: Token, terminals: frozenset[str]) -> bool:
    """Whether a word is probably meant as one of these."""
    return token.type == "NAME" and nearest_word(token.value, _known(set(terminals))) is not None


def _known(accepts: set[str]) -> list[str]:
    return [word for word, terminal in KEYWORDS.items() if terminal in accepts]


def _says_nothing(token: Token) -> Fault:
    advice = 'Add a line with "copy to", "keep online", "release", "pin for", "verify every" or "prefetch"'
    return Fault(token.line or 1, token.column or 1, "the rule before this place says nothing to do", None, advice)


def _describe(token: Token, accepts: set[str]) -> Fault:
    line, column, shown = token.line or 1, token.column or 1, token.value.strip('"') or "the end of the text"
    expected = _expected(accepts)
    if token.type == "OPEN_TEXT":
        advice = 'Put a " behind the text on the same line; a " or \\ inside it is written \\" or \\\\'
        return Fault(line, column, "a quoted text does not end on its line", None, advice)
    if token.type == "DECIMAL":
        advice = "Write a whole number with a smaller unit, 1500 GB for 1.5 TB or 90 minutes for 1.5 hours"
        return Fault(line, column, f'"{shown}" is not a whole number', None, advice)
    if token.type in {"AND", "OR"} and accepts & {"AND", "OR"}:
        advice = 'Put parentheses round one of the two, as in "modality is MG and (online or age below 1 year)"'
        return Fault(line, column, '"and" and "or" are mixed without parentheses', None, advice)
    if token.type in _LATE and accepts & _ACTIONS:
        advice = 'The order in a rule is: "when", "only", "at most", then what to do; each "when" once'
        return Fault(line, column, f'"{shown}" stands too late in its rule', None, advice)
    if accepts & {"NAME", "TEXT"} and (token.type in KEYWORDS.values() or token.type == "NUMBER"):
        advice = f'Put it in quotes if it is meant as a name: "{shown}"; else a name is missing before it'
        return Fault(line, column, f'"{shown}" is a word of the language and cannot be a name here', None, advice)
    if token.type == "NAME" and "TEXT" in accepts and "NAME" not in accepts:
        return Fault(line, column, f'"{shown}" stands without quotes', None, f'Write "{shown}" in quotes')
    nearest = nearest_word(token.value, _known(accepts)) if token.type == "NAME" else None
    if nearest is None and len(accepts) == 1:
        return Fault(line, column, f'{expected} is missing before "{shown}"')
    advice = f'Did you mean "{nearest}"?' if nearest else f"Expected here: {expected}"
    return Fault(line, column, f'"{shown}" is not understood here', nearest, advice)


def _expected(accepts: set[str]) -> str:
    return ", ".join(sorted({spelling(terminal) for terminal in accepts}))
