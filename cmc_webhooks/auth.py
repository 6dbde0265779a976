"""Authentication of requests, and permissions of users.

Secrets are compared as bytes in constant time and never leave this module.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any

from cmc_webhooks.conf import app_settings
from cmc_webhooks.models import RefusalCount

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Refused",
    "Unauthorized",
    "check_address",
    "check_api_key",
    "check_api_keys",
    "check_authorization",
    "holds_health_token",
    "masked",
    "may",
    "needs_header",
    "needs_secret",
]

Reasons = RefusalCount.Reasons
MASK = "[secret]"
_BETWEEN = "\N{REPLACEMENT CHARACTER}*"
"""What stands between the letters of a text in UTF-16 after it was read as UTF-8 and cleaned."""

_MAPPED_PREFIX = 96  # ::ffff:0:0/96 maps IPv4 (RFC 4291, section 2.5.5.2)


class Refused(Exception):
    """The request is rejected. The message gives the reason without quoting what was presented.

    `reason` is the same as one of `RefusalCount.Reasons`, and says whether a secret was missing or wrong.
    """

    def __init__(self, message: str, reason: RefusalCount.Reasons) -> None:
        super().__init__(message)
        self.reason = reason.value


class Unauthorized(Refused):
    """BASIC credentials are required. The client may retry after the challenge."""


def check_address(peer: str, forwarded_for: str) -> None:
    """Raise `Refused` unless the client is in `ALLOWED_NETWORKS` or no such list is configured.

    `peer` is the address that the connection came from. `forwarded_for` is the X-Forwarded-For header. Only
    the last `TRUSTED_PROXIES` entries of that header were written by hosts that the project vouches for.

    Raises:
        Refused: the client is outside these networks, or its address cannot be determined.
    """
    networks = app_settings.allowed_networks
    if networks is None:
        return
    hops = [*forwarded_for.split(","), peer]  # a blank entry is one, and no address
    proxies = app_settings.trusted_proxies
    client = _address(hops[-1 - proxies]) if 0 <= proxies < len(hops) else None
    if client is None or not any(client in network for network in map(_network, networks) if network):
        raise Refused("the client's address is not in CMC_WEBHOOKS_ALLOWED_NETWORKS", Reasons.ADDRESS)


def may(user: Any, permission: str) -> bool:
    """Return True if the user has this permission, such as `cmc_webhooks.view_mail`.

    A user model without `has_perm`, which is one without `PermissionsMixin`, has no permission. Neither has
    None.
    """
    has_perm = getattr(user, "has_perm", None)
    return has_perm is not None and bool(has_perm(permission))


def check_authorization(header: str) -> None:
    """Raise `Refused` unless the Authorization header holds a configured BASIC pair or Bearer token.

    One header cannot hold both kinds. If both are configured, one is enough. If neither is configured, the
    header is ignored, but then an API key must be configured, or `ALLOW_UNAUTHENTICATED` must be on.

    Raises:
        Unauthorized: the header holds neither, and BASIC credentials are configured.
        Refused: only Bearer tokens are configured and the header holds none, or no secret is configured.
    """
    basic, bearer = app_settings.basic_auth, app_settings.bearer_tokens
    if not (basic or bearer):
        if not (app_settings.api_keys or app_settings.allow_unauthenticated):
            raise Refused("no secret is configured, see check cmc_webhooks.E001", Reasons.NO_SECRET)
        return
    scheme, _, credentials = header.strip().partition(" ")
    if scheme.lower() == "basic" and _matches(_base64(credentials), basic):
        return
    if _holds_token(header, bearer):
        return
    if basic:
        reason = Reasons.BASIC if scheme.lower() == "basic" else Reasons.NO_BASIC
        raise Unauthorized("BASIC credentials are missing or wrong", reason)
    reason = Reasons.TOKEN if scheme.lower() == "bearer" else Reasons.NO_TOKEN
    raise Refused("the Bearer token is missing or wrong", reason)


def check_api_key(presented: Any) -> None:
    """Raise `Refused` unless `presented`, the body's `api_key`, is a configured key or no key is configured.

    Raises:
        Refused: the key is missing, wrong or not text.
    """
    check_api_keys([presented])


def check_api_keys(presented: Iterable[Any]) -> None:
    """Raise `Refused` unless one of `presented` is a configured key, or no key is configured.

    Those behind the right one are not taken from `presented`. Without a configured key, none is.

    Raises:
        Refused: no key is right.
    """
    keys = app_settings.api_keys
    if not keys:
        return
    reason = Reasons.NO_API_KEY
    for each in presented:
        if _is_right(each, keys):
            return
        if each is not None:
            reason = Reasons.API_KEY
    raise Refused("api_key is missing or wrong", reason)


def needs_header() -> bool:
    """Return whether a secret in the Authorization header is configured: a BASIC pair or a Bearer token."""
    return bool(app_settings.basic_auth or app_settings.bearer_tokens)


def needs_secret() -> bool:
    """Return whether any secret of the webhook is configured."""
    return bool(app_settings.api_keys) or needs_header()


def masked(text: str) -> str:
    """Return a text with every configured secret replaced, as JSON, a form or a header may write it."""
    pairs = [pair for pair in app_settings.basic_auth if isinstance(pair, str)]
    secrets = [
        *app_settings.api_keys,
        *app_settings.bearer_tokens,
        *app_settings.health_tokens,
        *pairs,
        *(pair.partition(":")[2] for pair in pairs),
        *(base64.b64encode(_bytes(pair)).decode().rstrip("=") for pair in pairs),
        app_settings.rest_key,
        app_settings.alert_slack_url,
    ]
    for secret in sorted((each for each in secrets if isinstance(each, str) and each), key=len, reverse=True):
        text = re.sub(_BETWEEN.join(map(_any_form, secret)), MASK, text)
    return text


def holds_health_token(header: str) -> bool:
    """Return whether an Authorization header holds one of the Bearer tokens of `HEALTH_TOKENS`."""
    return _holds_token(header, app_settings.health_tokens)


def _any_form(letter: str) -> str:
    """Return the pattern of a letter of a secret: as it is, with JSON's escapes, or percent-encoded.

    At most 16 backslashes may stand before it, as in JSON in JSON in JSON. Without a limit, a long run of
    them would be read as often as it has characters.
    """
    units = letter.encode("utf-16-be", "surrogatepass").hex()
    escaped = "".join(rf"\\{{1,16}}u(?i:{units[place : place + 4]})" for place in range(0, len(units), 4))
    percent = "".join(f"%(?:25){{0,8}}(?i:{byte:02x})" for byte in _bytes(letter))
    forms = [rf"\\{{0,16}}{re.escape(letter)}", escaped, percent, *([r"\+"] if letter == " " else [])]
    return f"(?:{'|'.join(forms)})"


def _is_right(presented: Any, keys: Iterable[Any]) -> bool:
    return isinstance(presented, str) and _matches(_bytes(presented), keys)


def _holds_token(header: str, tokens: Iterable[Any]) -> bool:
    scheme, _, token = header.strip().partition(" ")
    return scheme.lower() == "bearer" and _matches(_header_bytes(token.strip()), tokens)


def _matches(presented: bytes, secrets: Iterable[Any]) -> bool:
    """Return whether `presented` is one of `secrets`. All are compared, by digests of equal length."""
    digest = sha256(presented).digest()
    usable = [secret for secret in secrets if isinstance(secret, str) and secret]
    matches = [hmac.compare_digest(digest, sha256(_bytes(secret)).digest()) for secret in usable]
    return any(matches)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _header_bytes(text: str) -> bytes:
    """Return a header's bytes as they were sent. Servers decode headers as Latin-1 (PEP 3333)."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return _bytes(text)


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text.strip().encode("ascii", "replace"), validate=True)
    except binascii.Error:
        return b""


def _network(text: Any) -> IPv4Network | IPv6Network | None:
    """Return a configured network, or None if the text is not a valid network.

    An IPv4 network written as mapped into IPv6 is returned as IPv4.
    """
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < _MAPPED_PREFIX:
        return network
    return IPv4Network((mapped, network.prefixlen - _MAPPED_PREFIX))


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address in `text`, without the port that some proxies add, or None if it is not valid.

    An IPv4 address mapped into IPv6 is returned as IPv4.
    """
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
