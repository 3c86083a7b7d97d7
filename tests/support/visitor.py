"""Somebody who visits a running web server: signs in, asks for pages, and looks at the clock meanwhile."""

import re
import time
from dataclasses import dataclass
from http.client import HTTPConnection, RemoteDisconnected
from urllib.parse import urlencode

_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')


@dataclass(frozen=True)
class Answer:
    """What came back, and how long it took from asking to the last byte."""

    status: int
    text: str
    took_s: float
    location: str = ""


class Visitor:
    """One browser without a screen; it keeps its connection and its cookies."""

    def __init__(self, port: int, timeout_s: float = 120) -> None:
        self._port = port
        self._connection = HTTPConnection("127.0.0.1", port, timeout=timeout_s)
        self._cookies: dict[str, str] = {}

    def get(self, path: str) -> Answer:
        """Ask for a page; once more, on a new connection, when the server has ended the one that was idle."""
        try:
            return self._ask("GET", path, None)
        except RemoteDisconnected:
            return self._ask("GET", path, None)

    def post(self, path: str, **fields: str) -> Answer:
        """Send a form."""
        return self._ask("POST", path, urlencode(fields))

    def sign_in(self, name: str, password: str) -> None:
        """Sign in. Raises: AssertionError when that is refused."""
        token = _TOKEN.search(self.get("/sign-in").text)
        assert token is not None, "the sign-in page has no form token"
        answer = self.post("/sign-in", form_token=token[1], name=name, password=password)
        assert answer.status == 303, answer.text

    def _ask(self, method: str, path: str, body: str | None) -> Answer:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        if body is not None:
            headers |= {
                "Content-Type": "application/x-www-form-urlencoded",
                "Origin": f"http://127.0.0.1:{self._port}",
            }
        began = time.perf_counter()
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        text = response.read().decode("utf-8", "replace")
        took_s = time.perf_counter() - began
        for cookie in response.headers.get_all("Set-Cookie") or ():
            name, _, value = cookie.split(";", 1)[0].partition("=")
            self._cookies[name] = value
        return Answer(response.status, text, took_s, response.headers.get("Location", ""))
