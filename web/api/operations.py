"""Declares operations: a function, its address, its right, and whatever else its signature cannot say."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_type_hints

from hsm.access.roles import Right
from web.api.shape import Paged, Shape

PREFIX = "/api/v1"
View = TypeVar("View", bound=Callable[..., Any])
OF_EVERY = (
    400,
    401,
    403,
    429,
    503,
)  # answered anywhere: a foreign host, no token, no right, too many tries, no catalog


@dataclass(frozen=True)
class Operation:
    """One thing that a program may ask."""

    method: str
    path: str  # below PREFIX, such as /jobs/{job_id}
    right: Right
    function: Callable[..., Any]
    subject: str  # the heading under which it is described
    status: int  # of the usual answer
    answer: type[Shape] | None
    also: Mapping[int, type[Shape]]  # other good answers, told apart by their type
    conflicts: bool  # the present state of things may forbid it: 409
    tagged: bool  # its answer has an ETag
    matches: Callable[..., Any] | None  # the reading whose ETag a write may name in If-Match
    must_match: bool  # and has to
    located: Callable[[Any], str] | None  # where what was made is, below PREFIX
    body: type[Shape] | None = None
    query: type[Shape] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)  # of the path, with their types

    @property
    def name(self) -> str:
        """Its name in the document."""
        return self.function.__name__

    @property
    def summary(self) -> str:
        """What it does, in a sentence."""
        return (self.function.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")

    @property
    def refusals(self) -> tuple[int, ...]:
        """Every status of a refusal that it may answer with."""
        found = {*OF_EVERY}
        found |= {404} if self.arguments or self.body is not None else set()
        found |= {404} if self.query is not None and issubclass(self.query, Paged) else set()
        found |= {413, 415, 422} if self.body is not None else {422} if self.query is not None else set()
        found |= {409} if self.conflicts else set()
        found |= {412} if self.matches is not None else set()
        found |= {428} if self.must_match else set()
        return tuple(sorted(found))


class Operations:
    """The operations on one subject."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.all: list[Operation] = []

    def get(
        self,
        path: str,
        right: Right,
        *,
        tagged: bool = False,
        conflicts: bool = False,
        also: Mapping[int, type[Shape]] | None = None,
    ) -> Callable[[View], View]:
        """Above a function that reads. `tagged`: the answer has an ETag and may be asked for with If-None-Match."""
        return self._add("GET", path, right, tagged=tagged, conflicts=conflicts, also=also or {})

    def post(
        self,
        path: str,
        right: Right,
        *,
        status: int = 200,
        conflicts: bool = False,
        matches: Callable[..., Any] | None = None,
        must_match: bool = False,
        located: Callable[[Any], str] | None = None,
    ) -> Callable[[View], View]:
        """Above a function that makes or does something."""
        more: dict[str, Any] = {"matches": matches, "must_match": must_match, "located": located}
        return self._add("POST", path, right, status=status, conflicts=conflicts, **more)

    def put(
        self, path: str, right: Right, *, conflicts: bool = False, matches: Callable[..., Any] | None = None
    ) -> Callable[[View], View]:
        """Above a function that sets something."""
        return self._add("PUT", path, right, conflicts=conflicts, matches=matches)

    def delete(self, path: str, right: Right, *, conflicts: bool = False) -> Callable[[View], View]:
        """Above a function that takes something back."""
        return self._add("DELETE", path, right, status=204, conflicts=conflicts)

    def _add(
        self,
        method: str,
        path: str,
        right: Right,
        *,
        status: int = 200,
        also: Mapping[int, type[Shape]] | None = None,
        conflicts: bool = False,
        tagged: bool = False,
        matches: Callable[..., Any] | None = None,
        must_match: bool = False,
        located: Callable[[Any], str] | None = None,
    ) -> Callable[[View], View]:
        def declare(function: View) -> View:
            hints = get_type_hints(function, include_extras=True)
            answer = hints.pop("return", None)
            body, query = hints.pop("body", None), hints.pop("query", None)
            others = dict(also or {})
            if others:  # the annotation is a union; the usual answer is the one that no other status has
                (answer,) = [one for one in answer.__args__ if one not in others.values()]
            self.all.append(
                Operation(
                    method=method,
                    path=path,
                    right=right,
                    function=function,
                    subject=self.subject,
                    status=status,
                    answer=None if answer is type(None) else answer,
                    also=others,
                    conflicts=conflicts,
                    tagged=tagged,
                    matches=matches,
                    must_match=must_match,
                    located=located,
                    body=body,
                    query=query,
                    arguments=hints,
                )
            )
            return function

        return declare
