"""One mailbox is one address in all its spellings, and two mailboxes stay two."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cmc_webhooks import wire

ATOM = "abcxyzABC0189!#$%&'*+-/=?^_`{|}~é花"
SPECIAL = ' "(),:;<>@[\\]\t'

atoms = st.text(ATOM, min_size=1, max_size=4)
dotted = st.lists(atoms, min_size=1, max_size=3).map(".".join)
odd_dots = st.text(
    f"{ATOM[:6]}.", min_size=1, max_size=6
)  # in a row, first, last: as some carriers have them
quoted = st.text(ATOM[:6] + SPECIAL + ".", min_size=1, max_size=6)
locals_ = st.one_of(dotted, odd_dots, quoted)
domains = st.lists(st.text("abcXYZ019-é例", min_size=1, max_size=4), min_size=1, max_size=3).map(".".join)
mailboxes = st.tuples(locals_, domains)
comments = st.recursive(
    st.text("ab <>@,.;:", max_size=4), lambda inner: st.builds("{}({})".format, inner, inner), max_leaves=3
).map(lambda text: f"({text})")
gaps = st.one_of(st.just(""), st.just(""), st.just(" "), st.just("\t "), st.just("\r\n "), comments)


def in_quotes(local, *, escape_all=False):
    """A local part as RFC 5322, section 3.2.4, quotes it."""
    return '"' + "".join(f"\\{each}" if escape_all or each in '"\\' else each for each in local) + '"'


def may_be_bare(local):
    """Whether a local part is written without quotes, by RFC 5322 or by carriers that allow any dots."""
    return all(each in ATOM or each == "." for each in local)


@st.composite
def spellings(draw, mailbox):
    """A spelling of this mailbox that RFC 5321 or 5322 allows."""
    local, domain = mailbox
    forms = [in_quotes(local), in_quotes(local, escape_all=True)]
    if may_be_bare(local):
        forms += [local] * 3
    gap = lambda: draw(gaps)  # noqa: E731
    local = draw(st.sampled_from(forms))
    if not local.startswith('"') and draw(st.booleans()):
        local = local.upper() if local.upper().lower() == local.lower() else local
    text = f"{gap()}{local}{gap()}@{gap()}{domain}{draw(st.sampled_from(['', '.']))}{gap()}"
    if draw(st.booleans()):
        route = draw(st.sampled_from(["", "", "@relay.example:", "@a.example,@b.example:"]))
        name = draw(st.sampled_from(["", "Taro ", '"Taro, <T@x>" ', '"T \\" (T" ', "(T) Taro (<T>) "]))
        text = f"{name}<{route}{text}>{gap()}"
    return text


def same(local, domain):
    """What makes two mailboxes one: their parts but for letter case."""
    return local.lower(), domain.lower()


class TestCanonicalMailbox:
    @pytest.mark.parametrize(
        ("text", "canonical"),
        [
            ("user@example.jp", "user@example.jp"),
            ("User <USER@Example.jp>", "user@example.jp"),
            ('"taro..y"@docomo.example', "taro..y@docomo.example"),
            ("plain@example.jp (Plain Taro)", "plain@example.jp"),
            ('"plain "@example.jp', '"plain "@example.jp'),
            ("plain @example.jp", "plain@example.jp"),
            ('"a b"@example.jp', "a b@example.jp"),
            ('"a@b"@example.jp', "a@b@example.jp"),
            ('"a(b)"@example.jp', '"a(b)"@example.jp'),
            ("a(b)@example.jp", "a@example.jp"),
            (r'"a\"b"@example.jp', r'"a\"b"@example.jp'),
            (r'"a\b"@example.jp', "ab@example.jp"),
            ("<@r.example,@s.example:a@example.jp>", "a@example.jp"),
            ("a@example.jp.", "a@example.jp"),
            ("a@[192.0.2.1]", "a@[192.0.2.1]"),
            ("a . b@example . jp", "a.b@example.jp"),
            ('"A, B" <a@example.jp> (c (d) \\) e)', "a@example.jp"),
            ("a+tag@example.jp", "a+tag@example.jp"),
            ("花子@例え.jp", "花子@例え.jp"),
            ("", ""),
            ("nobody", "nobody"),
            ('"a@example.jp', '"a@example.jp'),
            ("a(b@example.jp", "a(b@example.jp"),
            ('""@example.jp', '""@example.jp'),
            ("@example.jp", "@example.jp"),
            ("a@", "a@"),
        ],
    )
    def test_is(self, text, canonical):
        assert wire.canonical_mailbox(text) == canonical

    @given(st.data(), mailboxes)
    def test_is_one_for_all_spellings(self, data, mailbox):
        local, domain = mailbox
        text = data.draw(spellings(mailbox))

        assert wire.canonical_mailbox(text) == wire.canonical_mailbox(f"{in_quotes(local)}@{domain}")

    @given(mailboxes, mailboxes)
    @example(("plain ", "x"), ("plain", "x"))
    @example((" plain", "x"), ("plain", "x"))
    @example(("a.", "x"), ("a", "x"))
    @example(("(a)", "x"), ("a", "x"))
    @example(("<a>", "x"), ("a", "x"))
    @example(('"a"', "x"), ("a", "x"))
    @example(("\\a", "x"), ("a", "x"))
    @example(("a . b", "x"), ("a.b", "x"))
    def test_is_another_for_another_mailbox(self, one, other):
        alike = wire.canonical_mailbox(f"{in_quotes(one[0])}@{one[1]}") == wire.canonical_mailbox(
            f"{in_quotes(other[0])}@{other[1]}"
        )

        assert alike == (same(*one) == same(*other))

    @given(st.text(ATOM + SPECIAL + ".", max_size=20))
    @example("x <a@b>>")
    @example("<<a@b>")
    @example("a@b..")
    @example('"."@.')
    def test_is_its_own(self, text):
        canonical = wire.canonical_mailbox(text)

        assert wire.canonical_mailbox(canonical) == canonical

    @given(dotted, domains)
    def test_of_a_plain_address_is_its_normal_form(self, local, domain):
        text = f"Name <{local}@{domain}>"

        assert wire.canonical_mailbox(text) == wire.normalise_address(text)

    @pytest.mark.parametrize("text", ['"', "(", "(()", '"\\"', "<", "@", " ", "\\", '"" ', "a.(b)"])
    def test_of_an_odd_text_is_its_own(self, text):
        found = wire.canonical_mailbox(f"{(text * 1_900)[:1_900]}@example.jp")

        assert wire.canonical_mailbox(found) == found


class TestLongTexts:
    @pytest.mark.parametrize(
        "text", ["\u0300" * 80_000 + "<", "(" * 100_000, '"' + "\\a" * 50_000, "a " * 2000 + "@x.jp"]
    )
    def test_are_not_read(self, text, monkeypatch):
        monkeypatch.setattr("cmc_webhooks.wire.mailboxes._read", None)

        assert wire.canonical_mailbox(text) == wire.normalise_address(text)

    def test_with_an_address_in_brackets_are_that_address(self):
        assert wire.canonical_mailbox(f"{'Hanako ' * 1000}<HANAKO@example.jp>") == "hanako@example.jp"

    @pytest.mark.parametrize(("length", "canonical"), [(2000, "a@x.jp"), (2001, '"a"@x.jp')])
    def test_begin_behind_2000_characters(self, length, canonical):
        address = '<"a"@x.jp>'

        assert wire.canonical_mailbox(f"{'n' * (length - len(address))}{address}") == canonical


class TestDecisionKey:
    @given(dotted, domains, st.text(max_size=5))
    def test_without_a_composition_is_that_of_the_address(self, local, domain, composition):
        address = wire.canonical_mailbox(f"{local}@{domain}")
        key = wire.decision_key(address, composition)

        assert (key == wire.address_key(address)) == (not composition)
        assert key.variant == "specified in RFC 4122"
        assert key.version == 8
        assert 0xB0 <= key.bytes[8] <= 0xBF

    def test_holds_what_it_is_about(self):
        address = "a@x.jp"
        keys = [
            wire.decision_key(address),
            wire.decision_key(address, "pro"),
            wire.decision_key(address, "", "kept", "hard"),
            wire.decision_key(address, "pro", "kept", "blocked"),
            wire.decision_key(address, "pro", "lifted", "blocked"),
            wire.decision_key(address, "pro", "kept", "unsubscribed"),
            wire.decision_key("b@x.jp", "pro"),
        ]

        assert len(set(keys)) == len(keys)

    def test_is_one_for_both_forms_of_a_domain(self):
        assert wire.decision_key("a@例え.jp", "pro") == wire.decision_key("a@xn--r8jz45g.jp", "pro")

    def test_is_frozen(self):
        assert str(wire.decision_key("user@example.jp")) == str(wire.address_key("user@example.jp"))
        assert [
            str(wire.decision_key("user@example.jp", "pro")),
            str(wire.decision_key("user@example.jp", "", "kept", "hard")),
        ] == ["721739d0-e56d-827d-ba66-ddd6747335fc", "4eacf97d-42da-8264-b040-59906ebb85b6"]
