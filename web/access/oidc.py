"""Sign-in by an identity provider: the authorization code flow with state, nonce and PKCE.

What the provider says counts only if it was signed with one of its keys by a public-key method, for us, by it, for the
very try that began in this browser, and a short time ago. Authlib and joserfc check that; this module says what.

Source: OpenID Connect Core 1.0 (3.1 code flow, 3.1.3.7 ID token), Discovery 1.0; RFC 7636 (PKCE), RFC 9207 (iss).
"""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from requests import RequestException

from hsm.access.roles import Role
from hsm.access.visitors import NoRole, Realm, RealmFailed, Visitor, VisitorRefused, role_of

LIMIT_S = 10.0
LEEWAY_S = 60  # by which two clocks may differ
KNOWN_FOR = timedelta(hours=1)  # what the provider says of itself is kept for so long
FAILED_FOR = timedelta(seconds=30)  # one that did not answer is asked again after so long
TRY_LASTS = timedelta(minutes=15)  # from the button to the way back
SIGNED_BY = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class OidcSettings:
    """Which provider, and what we are called there."""

    issuer: str
    client_id: str
    roles: Mapping[Role, Collection[str]]  # values of groups_claim
    client_secret_file: Path | None = field(default=None, repr=False)
    name: str = "your organisation"  # on the button
    scopes: str = "openid profile email"
    name_claim: str = "preferred_username"
    groups_claim: str = "groups"
    pages: str = ""  # our address as browsers know it; "": as it was asked for
    ca_file: Path = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class Try:
    """One way to the provider and back, kept by the browser that began it, signed."""

    state: str
    nonce: str
    verifier: str
    following: str
    began_at: datetime


class Provider:
    """The identity provider. Keeps only what it says of itself, for an hour."""

    def __init__(self, settings: OidcSettings) -> None:
        self.settings = settings
        self._known: tuple[datetime, Mapping[str, Any]] | None = None
        self._keys: KeySet | None = None
        self._failed: tuple[datetime, str] | None = None  # since when, and why

    def begin(self, redirect_uri: str, following: str, now: datetime) -> tuple[str, Try]:
        """Where to send the browser, and what it has to bring back. Raises: RealmFailed."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        begun = Try(state, nonce, verifier, following, now)
        with self._session() as session:
            address, _ = session.create_authorization_url(
                self._endpoint("authorization_endpoint", now),
                state=begun.state,
                nonce=begun.nonce,
                code_verifier=begun.verifier,
                redirect_uri=redirect_uri,
            )
        return str(address), begun

    def finish(self, begun: Try | None, answer: Mapping[str, str], redirect_uri: str, now: datetime) -> Visitor:
        """Who came back. `answer`: what the provider added to the address.

        Raises: VisitorRefused (proved, or gave up, and may not come in), RealmFailed (what was brought is not sound).
        """
        if begun is None or not secrets.compare_digest(begun.state.encode(), answer.get("state", "").encode()):
            raise RealmFailed("the answer does not belong to a sign-in that began in this browser (state)")
        if now - begun.began_at > TRY_LASTS:
            raise RealmFailed("the sign-in took too long; begin again")
        known = self._metadata(now)
        if answer.get("iss", self.settings.issuer) != self.settings.issuer:
            raise RealmFailed("the answer names another issuer (iss)")
        if known.get("authorization_response_iss_parameter_supported") is True and "iss" not in answer:
            raise RealmFailed("the answer does not name its issuer (iss)")
        if "error" in answer:
            raise VisitorRefused(f"{self.settings.name} did not let you in: {answer['error'][:80]}.")
        if not answer.get("code"):
            raise RealmFailed("the answer holds no code")
        return self._visitor(self._claims(begun, answer["code"], redirect_uri, now))

    def leave(self, back: str, now: datetime) -> str:
        """Where somebody can sign out of the provider, too; "" where it knows no such page. Raises: RealmFailed."""
        address = self._metadata(now).get("end_session_endpoint")
        if not isinstance(address, str) or not _is_safe(address):
            return ""
        asked = urlencode({"client_id": self.settings.client_id, "post_logout_redirect_uri": back})
        return f"{address}{'&' if '?' in address else '?'}{asked}"

    # -- what is asked of the provider itself ------------------------------------------------------------------------

    def _claims(self, begun: Try, code: str, redirect_uri: str, now: datetime) -> Mapping[str, Any]:
        address = self._endpoint("token_endpoint", now)
        try:
            with self._session() as session:
                token = session.fetch_token(
                    address,
                    grant_type="authorization_code",
                    code=code,
                    redirect_uri=redirect_uri,
                    code_verifier=begun.verifier,
                    allow_redirects=False,
                    timeout=LIMIT_S,
                )
                claims = self._checked(token, begun.nonce, now)
                if self.settings.groups_claim.split(".")[0] not in claims and "userinfo_endpoint" in self._metadata(
                    now
                ):
                    claims = {**self._userinfo(session, claims, now), **claims}
                return claims
        except JoseError as error:
            raise RealmFailed(f"the ID token is not sound: {error.error}: {error.description}"[:200]) from None
        except AuthlibBaseError as error:
            raise RealmFailed(f"the provider gives no token: {error.error}"[:200]) from None
        except (RequestException, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RealmFailed(f"the provider gives no sound token: {type(error).__name__}") from None

    def _checked(self, token: Mapping[str, Any], nonce: str, now: datetime) -> Mapping[str, Any]:
        """The claims of the ID token. Raises: JoseError and others for what is not sound."""
        text = token["id_token"]
        try:
            decoded = jwt.decode(text, self._key_set(now), algorithms=SIGNED_BY)
        except InvalidKeyIdError:  # they change their keys now and then
            decoded = jwt.decode(text, self._key_set(now, afresh=True), algorithms=SIGNED_BY)
        options = {
            "iss": {"essential": True, "value": self.settings.issuer},
            "aud": {"essential": True, "value": self.settings.client_id},
        }
        params = {"nonce": nonce, "client_id": self.settings.client_id, "access_token": token.get("access_token")}
        claims = CodeIDToken(decoded.claims, decoded.header, options, params)
        claims.validate(now=int(now.timestamp()), leeway=LEEWAY_S)
        return dict(claims)

    def _userinfo(self, session: OAuth2Session, claims: Mapping[str, Any], now: datetime) -> Mapping[str, Any]:
        address = self._endpoint("userinfo_endpoint", now)
        answer = session.get(address, timeout=LIMIT_S, allow_redirects=False)
        answer.raise_for_status()
        told = answer.json()
        if told["sub"] != claims["sub"]:  # OpenID Connect Core 5.3.2
            raise RealmFailed("the provider tells of somebody else (sub)")
        return {name: value for name, value in told.items() if name not in ("iss", "aud")}

    def _visitor(self, claims: Mapping[str, Any]) -> Visitor:
        subject, name = claims.get("sub"), claims.get(self.settings.name_claim)
        if not isinstance(subject, str) or not subject or not isinstance(name, str) or not name:
            raise RealmFailed(f"the provider does not say who somebody is (sub and {self.settings.name_claim})")
        role = role_of(_texts(_at(claims, self.settings.groups_claim)), self.settings.roles)
        if role is None:
            raise NoRole(name, subject)
        mail = claims.get("email") if claims.get("email_verified") is not False else ""
        full_name = claims.get("name")
        return Visitor(
            Realm.OIDC,
            subject,
            name,
            full_name if isinstance(full_name, str) else "",
            mail if isinstance(mail, str) else "",
            role,
        )

    def _metadata(self, now: datetime) -> Mapping[str, Any]:
        if self._known is not None and now - self._known[0] < KNOWN_FOR:
            return self._known[1]
        if self._failed is not None and timedelta(0) <= now - self._failed[0] < FAILED_FOR:
            raise RealmFailed(self._failed[1])  # nobody waits again for who did not answer a moment ago
        try:
            found = self._discovered()
        except RealmFailed as failed:
            self._failed = (now, str(failed))
            raise
        self._known, self._keys, self._failed = (now, found), None, None
        return found

    def _discovered(self) -> Mapping[str, Any]:
        found = self._asked(f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != self.settings.issuer:
            raise RealmFailed(f"{self.settings.issuer} calls itself {str(found.get('issuer'))[:100]!r}")
        return found

    def _key_set(self, now: datetime, afresh: bool = False) -> KeySet:
        keys = self._keys
        if keys is None or afresh:
            asked: Any = self._asked(self._endpoint("jwks_uri", now))
            self._keys = keys = KeySet.import_key_set(asked)
        return keys

    def _endpoint(self, name: str, now: datetime) -> str:
        address = self._metadata(now).get(name)
        if not isinstance(address, str) or not _is_safe(address):
            raise RealmFailed(f"{self.settings.issuer} names no {name} with https")
        return address

    def _asked(self, address: str) -> Mapping[str, Any]:
        try:
            with self._session() as session:
                answer = session.get(address, withhold_token=True, timeout=LIMIT_S, allow_redirects=False)
                if answer.status_code != 200:
                    raise RealmFailed(f"{address} answers {answer.status_code}")
                found = answer.json()
        except (RequestException, ValueError) as error:
            raise RealmFailed(f"{address}: {type(error).__name__}") from None
        if not isinstance(found, dict):
            raise RealmFailed(f"{address} answers with no object")
        return found

    def _session(self) -> OAuth2Session:
        settings = self.settings
        session = OAuth2Session(
            settings.client_id,
            self._secret(),
            scope=settings.scopes,
            code_challenge_method="S256",
            token_endpoint_auth_method="client_secret_basic" if settings.client_secret_file else "none",
        )
        session.trust_env = False  # no ~/.netrc, no variable that would name other certificates
        session.verify = str(settings.ca_file)
        return session

    def _secret(self) -> str | None:
        path = self.settings.client_secret_file
        if path is None:
            return None
        try:
            return path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise RealmFailed(f"the secret in {path} cannot be read: {type(error).__name__}") from None


def _is_safe(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def _at(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its name, or by the way to it, as in realm_access.roles."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, str)]
