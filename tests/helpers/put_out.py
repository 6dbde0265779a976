"""The lights of health, and the command that puts each of them out."""

from __future__ import annotations

from django.core.management import call_command

from cmc_webhooks.monitoring import health

COMMANDS = {
    "dead_signals": ("cmc_dismiss", "signals", "--reason", "a test", "--no-input"),
    "late_signals": ("cmc_dispatch", "--once"),
    "rejected_events": ("cmc_dismiss", "events", "--reason", "a test", "--no-input"),
    "future": ("cmc_status", "--accept-future", "a test"),
    "refused_calls": ("cmc_status", "--accept-refused", "a test"),
}


def lit(using: str = "default") -> list[str]:
    """Return the codes of what is wrong now."""
    return [problem.code for problem in health.look(using).found()]


def put_out(using: str = "default") -> None:
    """Run the command of each light. Fail if one has no command, or is still on afterwards."""
    for code in dict.fromkeys(lit(using)):
        assert code in COMMANDS, f"nobody can put out {code}"
        call_command(*COMMANDS[code])
    assert lit(using) == []
