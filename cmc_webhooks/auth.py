"""Is this request CMC's? Secrets are compared as bytes, in constant time, and never leave this module."""

from __future__ import annotations

import base64
import binascii
import hmac
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any

from cmc_webhooks.conf import app_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Refused",
    "Unauthorized",
    "check_address",
    "check_api_key",
    "check_authorization",
    "holds_health_token",
]


_MAPPED_PREFIX = 96  # ::ffff:0:0/96 holds IPv4 (RFC 4291, section 2.5.5.2)


class Refused(Exception):
    """The request may not be answered; the message says why without saying what was presented."""


class Unauthorized(Refused):
    """BASIC credentials are wanted: the client may try again when it is challenged."""


def check_address(peer: str, forwarded_for: str) -> None:
    """Let the request pass if its client is in `ALLOWED_NETWORKS`, or there is no such list.

    `peer` is the address that the connection came from, `forwarded_for` the X-Forwarded-For header. Of that
    header only the last `TRUSTED_PROXIES` entries were written by hosts that the project vouches for.

    Raises:
        Refused: the client is elsewhere, or cannot be told.
    """
    networks = app_settings.allowed_networks
    if networks is None:
        return
    hops = [hop for hop in forwarded_for.split(",") if hop.strip()] + [peer]
    proxies = app_settings.trusted_proxies
    client = _address(hops[-1 - proxies]) if 0 <= proxies < len(hops) else None
    if client is None or not any(client in network for network in map(_network, networks) if network):
        raise Refused("the client's address is not in CMC_WEBHOOKS_ALLOWED_NETWORKS")


def check_authorization(header: str) -> None:
    """Let the request pass if its Authorization header holds a configured BASIC pair or Bearer token.

    One header cannot hold both: where both kinds are configured, one is enough. Where neither is, the header
    is not looked at, but then an API key must be configured.

    Raises:
        Unauthorized: it does not, and BASIC credentials are configured.
        Refused: it does not, or no secret at all is configured.
    """
    basic, bearer = app_settings.basic_auth, app_settings.bearer_tokens
    if not (basic or bearer):
        if not (app_settings.api_keys or app_settings.allow_unauthenticated):
            raise Refused("no secret is configured, see check cmc_webhooks.E001")
        return
    scheme, _, credentials = header.strip().partition(" ")
    if scheme.lower() == "basic" and _matches(_base64(credentials), basic):
        return
    if _holds_token(header, bearer):
        return
    if basic:
        raise Unauthorized("BASIC credentials are missing or wrong")
    raise Refused("the Bearer token is missing or wrong")


def check_api_key(presented: Any) -> None:
    """Let the request pass if `presented`, the body's `api_key`, is a configured one, or none is configured.

    Raises:
        Refused: it is absent, wrong, or no text.
    """
    keys = app_settings.api_keys
    if keys and not (isinstance(presented, str) and _matches(_bytes(presented), keys)):
        raise Refused("api_key is missing or wrong")


def holds_health_token(header: str) -> bool:
    """Whether an Authorization header holds one of the Bearer tokens of `HEALTH_TOKENS`."""
    return _holds_token(header, app_settings.health_tokens)


def _holds_token(header: str, tokens: Iterable[Any]) -> bool:
    scheme, _, token = header.strip().partition(" ")
    return scheme.lower() == "bearer" and _matches(_header_bytes(token.strip()), tokens)


def _matches(presented: bytes, secrets: Iterable[Any]) -> bool:
    """Whether `presented` is one of `secrets`; all are compared, by digests of one length."""
    digest = sha256(presented).digest()
    usable = [secret for secret in secrets if isinstance(secret, str) and secret]
    matches = [hmac.compare_digest(digest, sha256(_bytes(secret)).digest()) for secret in usable]
    return any(matches)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _header_bytes(text: str) -> bytes:
    """A header's bytes as they were sent: servers hand them over as Latin-1 (PEP 3333)."""
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
    """A network as it is configured; IPv4 where it is written as mapped into IPv6, None if it is none."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < _MAPPED_PREFIX:
        return network
    return IPv4Network((mapped, network.prefixlen - _MAPPED_PREFIX))


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """The address in `text`, without the port that some proxies add; None if there is none."""
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
