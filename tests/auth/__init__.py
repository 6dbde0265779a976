"""What is asked of a request before anything is stored."""

from __future__ import annotations

from cmc_webhooks import auth

KEY = "s3cret-value"


def passes(check, *arguments):
    """Whether the check lets these through; it may refuse, but nothing else."""
    try:
        check(*arguments)
    except auth.Refused:
        return False
    return True
