from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import threading
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import django
import pytest
from django.core import mail
from django.db import connection

from cmc_webhooks import alerts, models, signals, timezones
from cmc_webhooks.alerts import channels, sending
from tests.alerts import servers
from tests.alerts.conftest import NOW
from tests.helpers import factories, sink, smtp

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "T0PS3CRET"
SMTP = "django.core.mail.backends.smtp.EmailBackend"


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(channels, "STEP_SECONDS", 0.3)
    monkeypatch.setattr(channels, "SECONDS", 0.6)
    monkeypatch.setattr(channels, "MAIL_SECONDS", 1.0)


@pytest.fixture
def slack(settings):
    """Send to Slack alone, at this URL."""
    settings.CMC_WEBHOOKS_ALERT_EMAILS = []

    def to(url):
        settings.CMC_WEBHOOKS_ALERT_SLACK_URL = url

    return to


@pytest.fixture
def smtp_at(settings):
    """Send mail by SMTP to a port of this host, without EMAIL_TIMEOUT."""

    def at(port):
        options = {"host": "127.0.0.1", "port": port}
        if django.VERSION >= (6, 1):
            settings.MAILERS = {"default": {"BACKEND": SMTP, "OPTIONS": options}}
        else:
            settings.EMAIL_BACKEND = SMTP
            settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", port, None

    yield at
    # a mail that nobody waits for any more ends with its server
    assert channels._mailing.acquire(timeout=30)
    channels._mailing.release()


@pytest.fixture
def alert():
    """An alert that was raised, with an unsent message on each channel that is configured."""
    factories.RejectedEventFactory()

    def raised(**values):
        row = models.Alert(
            id="00000000-0000-8000-b000-000000000001",
            key="00000000-0000-8000-b000-000000000002",
            open_key="00000000-0000-8000-b000-000000000002",
            kind="rate",
            domain="docomo.ne.jp",
            numbers={"mails": 167, "refused": 140, "usual": 0.02},
            raised_at=timezones.to_stored(NOW),
            last_seen_at=timezones.to_stored(NOW),
            **values,
        )
        row.save(force_insert=True)
        models.AlertMessage.objects.bulk_create(sending.messages(row, "raised", timezones.to_stored(NOW)))
        return row

    return raised


def unsent(channel="slack"):
    return models.AlertMessage.objects.filter(channel=channel, sent_at=None)


class TestSlack:
    def test_gets_a_text_without_links_or_mentions(self, slack, alert):
        with sink.listening() as server:
            slack(f"{server.url}/{SECRET}?a=b")
            alert(answer="550 <!channel> & <https://x.jp|x>")

            sent = alerts.send_unsent("default", now=NOW)

        text = json.loads(server.bodies[0])["text"]
        assert sent.errors == {}
        assert text.startswith("*CMC: docomo.ne.jp refused 140 of 167 mails")
        assert "550 &lt;!channel&gt; &amp; &lt;https://x.jp|x&gt;" in text
        assert "<" not in text
        assert not unsent().exists()

    @pytest.mark.parametrize("status", [204, 299])
    def test_any_answer_from_200_is_fine(self, slack, alert, status):
        with sink.listening(lambda number: (status, b"")) as server:
            slack(server.url)
            alert()

            assert alerts.send_unsent("default", now=NOW).errors == {}

    @pytest.mark.parametrize("status", [400, 403, 429, 500, 503])
    def test_a_failure_is_sent_again_at_the_next_look(self, slack, alert, caplog, status):
        with sink.listening(lambda number: (status if number == 1 else 200, b"no_service")) as server:
            slack(f"{server.url}/{SECRET}")
            alert()

            first = alerts.send_unsent("default", now=NOW)
            row = unsent().get()
            second = alerts.send_unsent("default", now=NOW + timedelta(minutes=5))

        assert first.errors == {"slack": f"HTTP {status}"}
        assert (row.attempts, row.last_error, row.claimed_until) == (1, f"HTTP {status}", None)
        assert second.errors == {}
        assert len(server.bodies) == 2
        assert [record.cmc_event for record in caplog.records] == ["alert_not_sent"]

    def test_no_redirect_is_followed(self, slack, alert):
        with sink.listening() as other:

            class Handler(BaseHTTPRequestHandler):
                def do_POST(self):
                    self.send_response(307)
                    self.send_header("Location", other.url)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

                def log_message(self, *args):
                    pass

            with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
                thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
                thread.start()
                slack(f"http://127.0.0.1:{server.server_port}/{SECRET}")
                alert()

                sent = alerts.send_unsent("default", now=NOW)

                server.shutdown()
                thread.join()

        assert sent.errors == {"slack": "HTTP 307"}
        assert other.taken == []

    @pytest.mark.parametrize(
        "server",
        [
            pytest.param(partial(servers.saying, b""), id="hangs"),
            pytest.param(partial(servers.saying, b"HTTP/1.1 200 OK\r\nX: ", pause=0.05), id="slow"),
            pytest.param(
                partial(servers.saying, b"HTTP/1.1 200 OK\r\nX: ", pause=0.05, for_ever=b"y"), id="for ever"
            ),
        ],
    )
    def test_a_server_that_takes_long_is_left(self, slack, alert, server, caplog):
        with server() as odd:
            slack(f"http://127.0.0.1:{odd.port}/{SECRET}")
            alert()

            sent = alerts.send_unsent("default", now=NOW)

        assert sent.errors == {"slack": "no answer within 0.6 s"}
        assert odd.connections == 1
        assert SECRET not in caplog.text

    @pytest.mark.parametrize("text", [b"\x00\xff\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"220 mail\r\n"])
    def test_an_answer_that_is_not_http_is_a_failure(self, slack, alert, text, caplog):
        with servers.saying(text) as odd:
            slack(f"http://127.0.0.1:{odd.port}/{SECRET}")
            alert()

            sent = alerts.send_unsent("default", now=NOW)

        assert sent.errors == {"slack": "BadStatusLine"}
        assert SECRET not in caplog.text

    def test_a_host_that_refuses_is_a_failure(self, slack, alert, caplog):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        slack(f"http://127.0.0.1:{port}/{SECRET}")
        alert()

        assert alerts.send_unsent("default", now=NOW).errors == {"slack": "ConnectionRefusedError"}
        assert SECRET not in caplog.text
        assert unsent().get().last_error == "ConnectionRefusedError"

    @pytest.mark.parametrize(
        "url",
        [
            "http://hooks.example.com/{}",
            "http://192.0.2.1/{}",
            "ftp://127.0.0.1/{}",
            "https://127.0.0.1:x/{}",
            "https:///{}",
            "{}",
        ],
    )
    def test_is_not_asked_without_https(self, slack, alert, url, caplog):
        slack(url.format(SECRET))
        alert()

        sent = alerts.send_unsent("default", now=NOW)

        assert sent.errors == {"slack": "CMC_WEBHOOKS_ALERT_SLACK_URL is not a URL that begins with https://"}
        assert SECRET not in caplog.text

    def test_without_a_valid_certificate_gets_nothing(self, slack, alert):
        with servers.saying(b"hello\r\n") as odd:
            slack(f"https://127.0.0.1:{odd.port}/{SECRET}")
            alert()

            assert alerts.send_unsent("default", now=NOW).errors == {"slack": "SSLError"}

    @pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate")
    @pytest.mark.parametrize("is_trusted", [True, False])
    def test_speaks_tls(self, slack, alert, tmp_path, monkeypatch, is_trusted):
        key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
        subprocess.run(  # noqa: S603 - our own words
            [
                *(
                    "openssl",
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-nodes",
                ),
                *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"),
                *("-keyout", str(key), "-out", str(certificate)),
            ],
            check=True,
            capture_output=True,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        trusting = partial(ssl.create_default_context, cafile=certificate if is_trusted else None)
        monkeypatch.setattr(channels.ssl, "create_default_context", trusting)
        taken = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                taken.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args):
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *args):
                pass

        with Server(("127.0.0.1", 0), Handler) as server:
            server.socket = context.wrap_socket(server.socket, server_side=True)
            thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
            thread.start()
            slack(f"https://127.0.0.1:{server.server_port}/{SECRET}")
            alert()

            sent = alerts.send_unsent("default", now=NOW)

            server.shutdown()
            thread.join()

        assert sent.errors == ({} if is_trusted else {"slack": "SSLCertVerificationError"})
        assert [path for path, _ in taken] == ([f"/{SECRET}"] if is_trusted else [])


class TestMail:
    def test_is_sent_by_smtp(self, smtp_at, alert):
        with smtp.accepting() as server:
            smtp_at(server.port)
            alert()

            assert alerts.send_unsent("default", now=NOW).errors == {}

        [(recipients, text)] = server.mails
        assert recipients == ["duty@example.com"]
        assert "Subject: CMC: docomo.ne.jp refused 140 of 167 mails" in " ".join(text.split())

    @pytest.mark.parametrize(
        ("server", "error"),
        [
            pytest.param(partial(servers.saying, b""), "SMTPServerDisconnected", id="hangs"),
            pytest.param(partial(servers.saying, b"554 no\r\n"), "SMTPConnectError", id="refuses"),
            pytest.param(
                partial(servers.saying, b"220-", pause=0.05, for_ever=b"y"),
                "the mail server took longer than 1 s",
                id="for ever",
            ),
        ],
    )
    def test_a_failure_is_sent_at_the_next_look(self, smtp_at, alert, server, error):
        with server() as odd:
            smtp_at(odd.port)
            alert()
            first = alerts.send_unsent("default", now=NOW)
        assert channels._mailing.acquire(timeout=30)
        channels._mailing.release()
        with smtp.accepting() as well:
            smtp_at(well.port)
            second = alerts.send_unsent("default", now=NOW + timedelta(minutes=5))

        assert first.errors == {"mail": error}
        assert second.errors == {}
        assert len(well.mails) == 1

    def test_one_mail_at_a_time(self, alert):
        alert()
        with channels._mailing:
            sent = alerts.send_unsent("default", now=NOW)

        assert sent.errors == {"mail": "the previous mail is still being sent"}

    def test_where_no_thread_can_be_started_the_next_look_sends(self, settings, alert, monkeypatch):
        settings.CMC_WEBHOOKS_ALERT_SLACK_URL = "http://127.0.0.1:9/x"
        monkeypatch.setattr(channels.socket, "create_connection", lambda *args, **kwargs: socket.socket())
        alert()

        def fail(thread):
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", fail)
            sent = alerts.send_unsent("default", now=NOW)

        assert sent.errors == dict.fromkeys(("mail", "slack"), "no further thread can be started")
        assert not channels._mailing.locked()
        assert {message.claimed_until for message in models.AlertMessage.objects.all()} == {None}

    def test_keeps_its_subject_on_one_line(self, alert):
        alert().delete()
        row = models.Alert(
            kind="dead", text="two\r\nBcc: all@example.com", raised_at=timezones.to_stored(NOW)
        )

        channels.send("mail", sending._text(row, "raised"), row, "raised")

        assert mail.outbox[0].subject == "CMC: two Bcc: all@example.com"


class TestSignal:
    def test_a_receiver_that_raises_is_called_again(self, alert, caplog):
        calls = []

        def receiver(sender, alert, **kwargs):
            calls.append(alert.pk)
            if len(calls) == 1:
                raise ValueError("@".join(["user", "example.jp"]))

        signals.alert_raised.connect(receiver)
        try:
            alert()
            looks = [alerts.send_unsent("default", now=NOW) for _ in range(3)]
        finally:
            signals.alert_raised.disconnect(receiver)

        assert [look.errors for look in looks] == [{"signal": "ValueError"}, {}, {}]
        assert len(calls) == 2
        ours = [record for record in caplog.records if record.name.startswith("cmc_webhooks")]
        assert [record.cmc_event for record in ours] == ["alert_receiver_failed", "alert_not_sent"]


class TestSendUnsent:
    def test_one_channel_does_not_stop_another(self, settings, alert):
        with servers.saying(b"no\r\n") as odd:
            settings.CMC_WEBHOOKS_ALERT_SLACK_URL = f"http://127.0.0.1:{odd.port}/"
            alert()

            sent = alerts.send_unsent("default", now=NOW)

        assert sent.number == 2
        assert [*sent.errors] == ["slack"]
        assert len(mail.outbox) == 1

    def test_of_many_at_once_one_sends(self, alert):
        alert()
        barrier = threading.Barrier(4)

        def work():
            barrier.wait(timeout=30)
            try:
                alerts.send_unsent("default", now=NOW)
            finally:
                connection.close()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)

        assert len(mail.outbox) == 1
        assert list(models.AlertMessage.objects.values_list("attempts", flat=True)) == [1, 1]

    def test_what_a_killed_process_claimed_is_sent_after_its_lease(self, alert):
        alert()
        until = timezones.to_stored(NOW + sending.LEASE)
        models.AlertMessage.objects.update(claimed_until=until, attempts=1)

        early = alerts.send_unsent("default", now=NOW + timedelta(minutes=4))
        late = alerts.send_unsent("default", now=NOW + timedelta(minutes=6))

        assert (early.number, late.number) == (0, 2)

    def test_begins_no_message_after_its_time(self, alert, monkeypatch):
        alert()
        clock = iter([100.0, 159.9, 160.1])
        monkeypatch.setattr(sending, "time", SimpleNamespace(monotonic=lambda: next(clock)))

        sent = alerts.send_unsent("default", now=NOW)

        assert sent.number == 1
        assert models.AlertMessage.objects.filter(sent_at=None, attempts=0).count() == 1

    def test_gives_up_after_three_days(self, alert):
        alert()

        assert alerts.send_unsent("default", now=NOW + timedelta(days=3, minutes=1)).number == 0
        assert alerts.send_unsent("default", now=NOW + timedelta(days=2)).number == 2
