"""Signing in by an identity provider: a real one on loopback, whose answers are spoiled on the way."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from authlib.common.encoding import urlsafe_b64decode, urlsafe_b64encode
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import RSAKey
from oidc_provider_mock import User, app
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from drivers.clock import SystemClock
from hsm.access.people import UserRefused
from hsm.access.roles import Role
from hsm.access.visitors import Realm, RealmFailed
from tests.web.reader import read
from tests.web.test_security import token_of
from tests.web.world import World
from web.access.oidc import OidcSettings, Provider
from web.app import create_app
from web.views import sign_in

Spoil = Callable[[dict[str, Any]], Any]
GROUPS = {Role.STAFF: ("clerks",), Role.ARCHIVIST: ("archive",)}
PEOPLE = (
    User(sub="7001", claims={"preferred_username": "Anna", "name": "Anna Meyer", "groups": ["clerks", "x"]}),
    User(sub="7002", claims={"preferred_username": "nora", "groups": []}),
    User(sub="7003", claims={"preferred_username": "anna", "groups": ["clerks"]}),
    User(sub="7004", claims={"preferred_username": "no such name <b>", "groups": ["clerks"]}),
)


@dataclass
class OnTheWay:
    """The provider, and somebody between it and us who may change the ID token, the keys or what it says of itself."""

    provider: Any
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "spoiler"}))
    issuer: str = ""
    adds_key: bool = False
    claims: Spoil | None = None
    token: Callable[[str], str] | None = None
    metadata: Spoil | None = None
    asked: list[str] = field(default_factory=list)

    def __call__(self, environ: Any, start: Any) -> Any:
        request = Request(environ)
        self.asked.append(request.path)
        answer = Response.from_app(self.provider, environ, buffered=True)
        if request.path == "/jwks" and self.adds_key:
            keys = json.loads(answer.data)["keys"]
            answer.data = json.dumps({"keys": [*keys, self.key.as_dict(private=False)]})
        if request.path == "/.well-known/openid-configuration" and self.metadata:
            answer.data = json.dumps(self.metadata(json.loads(answer.data)))
        if request.path == "/oauth2/token" and answer.status_code == 200:
            told = json.loads(answer.data)
            if self.claims:
                claims = json.loads(urlsafe_b64decode(told["id_token"].split(".")[1].encode()))
                told["id_token"] = jwt.encode({"alg": "RS256", "kid": "spoiler"}, self.claims(claims), self.key)
            if self.token:
                told["id_token"] = self.token(told["id_token"])
            answer.data = json.dumps(told)
        return answer(environ, start)


@pytest.fixture(scope="module")
def server() -> Iterator[OnTheWay]:
    """One provider for all."""
    way = OnTheWay(app(user_claims=PEOPLE, require_nonce=True).wsgi_app)
    listening = make_server("127.0.0.1", 0, way, threaded=True)
    way.issuer = f"http://127.0.0.1:{listening.server_port}"
    thread = Thread(target=listening.serve_forever, args=(0.02,))
    thread.start()
    yield way
    listening.shutdown()
    thread.join(30)
    listening.server_close()


@pytest.fixture
def way(server: OnTheWay) -> Iterator[OnTheWay]:
    """The provider, honest at first."""
    sign_in.limiter.storage.reset()  # of this process, where every test comes from one address
    yield server
    server.adds_key, server.claims = False, None
    server.token = server.metadata = None


def settings(way: OnTheWay, **other: Any) -> OidcSettings:
    return OidcSettings(issuer=way.issuer, client_id="firn", roles=GROUPS, name="St. Mary", **other)


def browser(world: World, way: OnTheWay, **other: Any) -> FlaskClient:
    secret = world.pool.directories[0] / "client-secret"
    secret.write_text("between us\n")
    provider = Provider(settings(way, client_secret_file=secret, **other))
    house = replace(world.services(), clock=SystemClock(), oidc=provider)
    return create_app(house).test_client()


def at_the_provider(client: FlaskClient, sub: str = "7001", following: str = "/studies") -> str:
    """Press our button and sign in there; the address that leads back."""
    begun = client.get(f"/sign-in/oidc?next={following}")
    assert begun.status_code == 303, read(begun.text).text
    there = requests.post(begun.headers["Location"], data={"sub": sub}, allow_redirects=False, timeout=20)
    assert there.status_code == 302
    back = urlsplit(there.headers["Location"])
    return f"{back.path}?{back.query}"


def come_back(client: FlaskClient, sub: str = "7001") -> str:
    """Sign in there and come back; where that leads, or what the page says."""
    answer = client.get(at_the_provider(client, sub))
    return answer.headers.get("Location", "") or f"{answer.status_code} {read(answer.text).text}"


def why(world: World) -> str:
    """What the last event says."""
    return str(world.catalog.events.list(name="sign_in_refused")[0].fields["why"])


def test_the_button_leads_to_the_provider_and_back_with_a_role(world: World, way: OnTheWay) -> None:
    client = browser(world, way)
    assert "Sign in by St. Mary" in client.get("/sign-in").text
    assert "Sign in by" not in create_app(world.services()).test_client().get("/sign-in").text
    begun = client.get("/sign-in/oidc?next=/studies")
    asked = parse_qs(urlsplit(begun.headers["Location"]).query)
    assert asked["code_challenge_method"] == ["S256"] and asked["nonce"] and asked["state"]
    assert come_back(client) == "/studies", why(world)
    account = world.catalog.accounts.find("anna")
    assert account is not None
    assert (account.role, account.realm, account.full_name) == (Role.STAFF, Realm.OIDC, "Anna Meyer")
    left = client.post(
        "/sign-out", headers={"Origin": "http://localhost"}, data={"form_token": token_of(client, "/password")}
    )
    page = client.get(left.headers["Location"])
    assert "still signed in at St. Mary" in read(page.text).text
    gone = urlsplit(client.get("/sign-in/oidc/leave").headers["Location"])
    assert f"{gone.scheme}://{gone.netloc}" == way.issuer and parse_qs(gone.query)["client_id"] == ["firn"]


def test_without_a_group_or_with_a_name_that_is_taken_nobody_comes_in(world: World, way: OnTheWay) -> None:
    client = browser(world, way)
    assert "You have no role in this archive" in come_back(client, "7002")
    assert come_back(client) == "/studies", why(world)
    assert "belongs to another account" in come_back(browser(world, way), "7003")
    assert "is no name to sign in with" in come_back(browser(world, way), "7004")
    way.adds_key, way.claims = True, lambda claims: {**claims, "groups": []}
    assert come_back(browser(world, way)).startswith("403")
    assert client.get("/studies").headers["Location"].startswith("/sign-in")


SPOILED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"nonce": "another"}, "nonce"),
    ({"nonce": None}, "nonce"),
    ({"iss": "https://evil.example"}, "iss"),
    ({"aud": "another"}, "aud"),
    ({"aud": ["another", "firn"], "azp": "another"}, "azp"),
    ({"exp": int(time.time()) - 3600}, "expired"),
    ({"exp": None}, "exp"),
    ({"iat": int(time.time()) + 7200}, "future"),
    ({"sub": None}, "sub"),
    ({"sub": ["7001"]}, "sub"),
    ({"preferred_username": 7}, "preferred_username"),
)


def with_these(spoiled: dict[str, Any], claims: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**claims, **spoiled}.items() if value is not None}


def test_a_token_for_somebody_else_or_another_time_is_refused(world: World, way: OnTheWay) -> None:
    client, way.adds_key = browser(world, way), True
    for spoiled, said in SPOILED:
        sign_in.limiter.storage.reset()
        way.claims = partial(with_these, spoiled)
        assert "did not work: begin again" in come_back(client), spoiled
        assert said in why(world), spoiled
    assert world.catalog.accounts.list() == []


def _unsigned(token: str) -> str:
    head = urlsafe_b64encode(b'{"alg":"none"}').decode()
    return f"{head}.{token.split('.')[1]}."


def _changed(token: str) -> str:
    head, claims, signature = token.split(".")
    told = json.loads(urlsafe_b64decode(claims.encode())) | {"groups": ["archive"]}
    return f"{head}.{urlsafe_b64encode(json.dumps(told).encode()).decode()}.{signature}"


def _with_another_key(token: str) -> str:
    claims = json.loads(urlsafe_b64decode(token.split(".")[1].encode()))
    return jwt.encode({"alg": "RS256", "kid": "spoiler"}, claims, RSAKey.generate_key(2048, {"kid": "spoiler"}))


def _by_secret(token: str) -> str:
    head = urlsafe_b64encode(b'{"alg":"HS256","kid":"spoiler"}').decode()
    return f"{head}.{token.split('.')[1]}.{token.split('.')[2]}"


def test_a_token_that_the_provider_did_not_sign_is_refused(world: World, way: OnTheWay) -> None:
    spoils: tuple[tuple[Any, str], ...] = (
        (_unsigned, "unsupported_algorithm"),
        (_changed, "bad_signature"),
        (_with_another_key, "bad_signature"),
        (_by_secret, "unsupported_algorithm"),
        (lambda _: "no token", ""),
        (lambda _: 7, ""),
    )
    for spoil, said in spoils:
        way.token, way.adds_key = spoil, spoil is _with_another_key
        assert "did not work" in come_back(browser(world, way)), spoil
        assert said in why(world), spoil
    assert world.catalog.accounts.list() == []


def test_an_answer_that_belongs_to_another_browser_or_try_is_refused(world: World, way: OnTheWay) -> None:
    mine, other = browser(world, way), browser(world, way)
    led = at_the_provider(other)
    assert mine.get(led).status_code == 503  # nothing was begun here
    assert "state" in why(world)
    at_the_provider(mine)
    assert mine.get(led).status_code == 503  # another try was begun here
    assert other.get(led).status_code == 303
    assert other.get(led).headers["Location"] == "/"  # once more: already in
    led = at_the_provider(mine)
    assert mine.get(f"{led}&iss=https://evil.example").status_code == 503
    at_the_provider(mine)
    with mine.session_transaction() as session:
        state = session["oidc"]["state"]
    refused = mine.get(f"/sign-in/oidc/back?state={state}&error=access_denied")
    assert refused.status_code == 403 and "did not let you in: access_denied" in read(refused.text).text
    at_the_provider(mine)
    with mine.session_transaction() as session:
        state = session["oidc"]["state"]
    assert mine.get(f"/sign-in/oidc/back?state={state}&code=guessed").status_code == 503
    with mine.session_transaction() as session:
        session["oidc"] = {
            "state": "s",
            "nonce": "n",
            "verifier": "v",
            "following": "/",
            "began_at": "2020-01-01T00:00+00:00",
        }
    assert mine.get("/sign-in/oidc/back?state=s&code=c").status_code == 503
    assert "too long" in why(world)


def test_a_provider_that_does_not_say_soundly_who_it_is_is_not_asked(world: World, way: OnTheWay) -> None:
    spoils: tuple[Spoil, ...] = (
        lambda said: {**said, "issuer": "https://evil.example"},
        lambda said: {**said, "authorization_endpoint": "http://evil.example/"},
        lambda said: {**said, "authorization_endpoint": 7},
        lambda said: [],
    )
    for spoil in spoils:
        way.metadata = spoil
        answer = browser(world, way).get("/sign-in/oidc")
        assert answer.status_code == 503 and "did not work" in read(answer.text).text


def test_a_provider_that_is_gone_says_so_and_one_that_is_not_configured_is_not_there(
    world: World, way: OnTheWay, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = replace(world.services(), oidc=Provider(replace(settings(way), issuer="http://127.0.0.1:1")))
    assert create_app(house).test_client().get("/sign-in/oidc").status_code == 503
    assert "ConnectionError" in why(world)
    asked: list[str] = []

    def note(address: str) -> Mapping[str, Any]:
        asked.append(address)
        raise RealmFailed("still away")

    provider = Provider(settings(way))
    with monkeypatch.context() as patched:
        patched.setattr(provider, "_asked", note)
        for _ in range(3):
            with pytest.raises(RealmFailed, match="still away"):
                provider.leave("http://localhost/", world.clock.now())
        assert len(asked) == 1, "not at every click"
        world.clock.sleep(31)
        with pytest.raises(RealmFailed):
            provider.leave("http://localhost/", world.clock.now())
        assert len(asked) == 2
    assert create_app(world.services()).test_client().get("/sign-in/oidc").status_code == 404
    with pytest.raises(RealmFailed, match="cannot be read"):
        Provider(settings(way, client_secret_file=world.pool.directories[0] / "missing")).leave(
            "/", SystemClock().now()
        )
    with pytest.raises(UserRefused):
        world.catalog.accounts.set_password("anna", "x", False, "test", world.clock.now())
