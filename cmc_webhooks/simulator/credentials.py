"""Secrets that a sender presents: the simulator, or a test. They are never shown, not even by repr."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from cmc_webhooks.conf import app_settings

__all__ = ["Credentials"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """One secret of each kind, "" for none. `basic` is `user:password`."""

    api_key: str = field(default="", repr=False)
    basic: str = field(default="", repr=False)
    bearer: str = field(default="", repr=False)

    @classmethod
    def configured(cls) -> Credentials:
        """Return the first secret of each kind in the project's settings, which its own webhook accepts."""
        kinds = app_settings.api_keys, app_settings.basic_auth, app_settings.bearer_tokens
        api_key, basic, bearer = (secrets[0] if secrets else "" for secrets in kinds)
        return cls(api_key=api_key, basic=basic, bearer=bearer)

    def authorization(self) -> str:
        """Return the Authorization header, its bytes decoded as Latin-1 (PEP 3333), or "" for none.

        One header cannot hold both kinds. BASIC takes precedence.

        Raises:
            ValueError: the Bearer token has characters that are not valid in a header.
        """
        if self.basic:
            return f"Basic {base64.b64encode(self.basic.encode()).decode()}"
        if not self.bearer:
            return ""
        if not self.bearer.isprintable():
            raise ValueError("the Bearer token has characters that no header takes")
        return f"Bearer {self.bearer}".encode().decode("latin-1")
