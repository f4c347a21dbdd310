"""Keys of clients: hashed in a file, compared in constant time, each with its limits."""

from __future__ import annotations

import hashlib
import hmac
import time
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from openwafer.diag import Source, error
from openwafer.files import MIB, parse_toml, read_text
from openwafer.serve.api._errors import ApiError
from openwafer.serve.core._job import TIERS, Tier

ID = "keys-invalid"
_Limit = Annotated[float, Meta(gt=0, le=1e12)]


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`sha256` of the key, in hexadecimal. Without a limit there is none. `admin`: may drain backends."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    requests_per_minute: _Limit | None = None
    tokens_per_minute: _Limit | None = None
    tiers: tuple[Tier, ...] = TIERS
    admin: bool = False


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: Annotated[list[Key], Meta(min_length=1)]


class Bucket:
    """A limit a minute that fills up evenly. `None`: no limit."""

    __slots__ = ("_at", "_left", "most")

    def __init__(self, most: float | None) -> None:
        self.most, self._left, self._at = most, most or 0.0, time.monotonic()

    def left(self) -> float:
        assert self.most is not None
        now = time.monotonic()
        self._left = min(self.most, self._left + (now - self._at) * self.most / 60)
        self._at = now
        return self._left

    def take(self, amount: float, what: str) -> None:
        """Diagnostics: 429 with the time until there is enough."""
        if self.most is None:
            return
        if amount > self.most:
            text = f"{amount:.0f} {what} in one request, and {self.most:g} a minute are allowed"
            raise ApiError(429, text, code="rate_limit_exceeded")
        left = self.left()
        if amount > left:
            wait = (amount - left) * 60 / self.most
            text = f"more than {self.most:g} {what} a minute"
            raise ApiError(429, text, code="rate_limit_exceeded", retry_after_s=wait)
        self._left -= amount

    def headers(self, what: str) -> dict[str, str]:
        if self.most is None:
            return {}
        left = self.left()
        return {
            f"x-ratelimit-limit-{what}": f"{self.most:.0f}",
            f"x-ratelimit-remaining-{what}": f"{left:.0f}",
            f"x-ratelimit-reset-{what}": f"{(self.most - left) * 60 / self.most:.3f}s",
        }


class Caller:
    """Who asks. Without keys everybody is the same caller, who may do everything."""

    def __init__(self, key: Key | None) -> None:
        self.name = "" if key is None else key.name
        self.tiers = TIERS if key is None else key.tiers
        self.is_admin = key is None or key.admin
        self.requests = Bucket(None if key is None else key.requests_per_minute)
        self.tokens = Bucket(None if key is None else key.tokens_per_minute)

    def headers(self) -> dict[str, str]:
        return self.requests.headers("requests") | self.tokens.headers("tokens")


class Keys:
    """Keys by their hash; without any, everybody is let in."""

    def __init__(self, keys: list[Key] | None) -> None:
        self._callers = [(bytes.fromhex(key.sha256), Caller(key)) for key in keys or []]
        self._anyone = Caller(None) if keys is None else None

    @property
    def is_open(self) -> bool:
        return self._anyone is not None

    def caller(self, authorization: str | None) -> Caller:
        """Of a header `Bearer KEY`. All keys are compared, each in constant time."""
        if self._anyone is not None:
            return self._anyone
        kind, _, given = (authorization or "").partition(" ")
        if kind.lower() != "bearer" or not given:
            raise ApiError(401, "no key: send `Authorization: Bearer KEY`", code="missing_api_key")
        digest = hashlib.sha256(given.strip().encode()).digest()
        found = None
        for known, caller in self._callers:
            if hmac.compare_digest(known, digest):
                found = caller
        if found is None:
            raise ApiError(401, "the key is not known", code="invalid_api_key")
        return found


def load_keys(path: str | Path | None) -> Keys:
    """Of a TOML file of `[[key]]` tables. Diagnostics: keys-invalid."""
    if path is None:
        return Keys(None)
    document = parse_toml(Source(str(path), read_text(Path(path), "keys", ID, MIB)), ID)
    try:
        keys = msgspec.convert(document, _Document).key
    except msgspec.ValidationError as reason:
        help = "`sha256` is what `printf %s KEY | sha256sum` prints"
        raise error(ID, f"{path}: {reason}", help=help) from None
    if len({key.name for key in keys}) < len(keys) or len({key.sha256 for key in keys}) < len(keys):
        raise error(ID, f"{path}: two keys have the same name or hash")
    return Keys(keys)
