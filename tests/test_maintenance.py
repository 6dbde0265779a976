from __future__ import annotations

from types import SimpleNamespace

from cmc_webhooks import maintenance


class TestRunIfDue:
    def test_runs_once_a_minute(self, monkeypatch):
        clock, ran = iter([100.0, 159.0, 161.0, 162.0]), []
        monkeypatch.setattr(maintenance, "_last_run_at", 40.0)
        monkeypatch.setattr(maintenance, "time", SimpleNamespace(monotonic=lambda: next(clock)))
        monkeypatch.setattr(maintenance, "run_or_wake", ran.append)

        numbers = []
        for _ in range(4):
            maintenance.run_if_due()
            numbers.append(len(ran))

        assert numbers == [1, 1, 2, 2]
