from __future__ import annotations

import pytest

from cmc_webhooks import wire
from tests.wire.bodies import FRAME, multipart


class TestParts:
    @pytest.mark.parametrize("boundary", ["b", "----CMCExampleBoundary7MA4YWxk", "a b", "'()+_,-./:=?"])
    def test_finds_a_boundary_behind_a_preamble_by_the_header(self, boundary):
        sent = multipart(boundary=boundary, preamble="This is a message\r\n")

        assert wire.decode(sent, f'multipart/form-data; boundary="{boundary}"') == FRAME

    def test_reads_a_part_with_a_file_name_and_one_in_its_own_charset(self):
        named = multipart(headers='; filename="event.json"')
        head = (
            b'--b\r\nContent-Disposition: form-data; name="event"\r\nContent-Type: text/plain; charset=sjis'
        )
        sjis = head + b"\r\n\r\n" + '"テスト"'.encode("shift_jis")

        assert wire.decode(named) == FRAME
        assert wire.decode(sjis + b"\r\n--b--").event == '"テスト"'

    def test_keeps_line_ends_inside_a_part(self):
        assert wire.decode(multipart({"event": "a\r\nb\n\r\n"})).event == "a\r\nb\n\r\n"

    @pytest.mark.parametrize(
        "disposition",
        [
            pytest.param("form-data; name*=a; name*0=b", id="mixed"),
            pytest.param(f"form-data; name*{'9' * 5000}=a", id="long number"),
            pytest.param("name", id="no parameter"),
            pytest.param("", id="empty"),
        ],
    )
    def test_passes_over_parts_whose_names_cannot_be_read(self, disposition):
        odd = f"--b\r\nContent-Disposition: {disposition}\r\n\r\nx\r\n".encode()

        assert wire.decode(odd + multipart()) == FRAME

    def test_refuses_a_part_in_another_charset(self):
        sent = multipart(headers="\r\nContent-Type: text/plain; charset=utf-16")

        with pytest.raises(wire.UnsupportedCharset):
            wire.decode(sent)

    def test_passes_over_what_stands_around_the_parts(self):
        stray = 'Content-Disposition: form-data; name="server_composition"\r\n\r\nstray\r\n'
        fields = {"event_type": "deliveries"}
        around = (multipart(fields) + stray.encode(), multipart(fields, preamble=f"\r\n{stray}"))

        frames = [wire.decode(sent, "multipart/form-data; boundary=b") for sent in around]

        assert [frame.server_composition for frame in frames] == [None, None]

    def test_ends_the_head_of_a_part_at_its_first_blank_line(self):
        event = '{"deliveries":\r\n\r\n[]}'

        assert wire.decode(multipart({"event": event}, line="\n")).event == event
