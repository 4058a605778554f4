from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from gateway.privacy import Part, PrivacyPolicy, Restorer, Vault, judge, mask, restore
from gateway.privacy.errors import TooManyValues
from gateway.privacy.pseudonyms import SHAPE

TEXT = (
    "Bonjour, je suis Mme Claire Dupont (claire.dupont@exemple.fr, 06 39 98 12 34). Mon IBAN : FR14 2004 1010 0505 0001 3M02 606, carte 4242 4242 4242 4242, "
    "NIR 2 55 08 14 168 025 38.\nMon mot de passe est Soleil2024! et mon salaire de 45 000 €. Rappelez le +33 6 39 98 12 34, ou CLAIRE.DUPONT@exemple.fr. "
    "Clé AKIAIOSFODNN7EXAMPLE ; anon_email_0001 reste, ANON\\_PHONE\\_0007 aussi, et ANON_ tout court."
)
LINES = [
    json.loads(line)["text"]
    for path in sorted(Path(__file__).parent.glob("*.jsonl"))
    for line in path.read_text(encoding="utf-8").splitlines()
]


def pieces(text: str, draw: random.Random) -> list[str]:
    cuts = sorted(draw.choices(range(len(text) + 1), k=draw.randint(0, 60)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def echo(masked: str, vault: Vault, draw: random.Random) -> str:
    restorer = Restorer(vault)
    return "".join([restorer.feed(piece) for piece in pieces(masked, draw)]) + restorer.finish()


def test_no_value_is_left_in_what_is_masked() -> None:
    vault = Vault()

    masked = mask(TEXT, vault)

    for value in ("Claire", "claire.dupont", "39 98", "2004 1010", "4242", "168 025", "Soleil", "45 000", "AKIA"):
        assert value not in masked.text
    for part in masked.replacements:
        assert masked.text[part.masked_start : part.masked_end] == part.placeholder
        assert part.placeholder not in TEXT
        assert restore(part.placeholder, vault) == TEXT[part.start : part.end]
    assert "mot de passe est ANON_VALUE_0001" in masked.text


@pytest.mark.parametrize("between", ["/", ",", ", ", " / ", "\n", ";", " ou ", " - "])
@pytest.mark.parametrize(
    "pair",
    [
        ("0612345678", "0140000000"),
        ("06 12 34 56 78", "01 40 00 00 00"),
        ("+33 6 12 34 56 78", "+33 1 40 00 00 00"),
        ("4111111111111111", "4242424242424242"),
        ("4111 1111 1111 1111", "4242 4242 4242 4242"),
        ("1 85 05 78 006 084 91", "2 69 05 49 588 157 80"),
        ("FR76 3000 6000 0112 3456 7890 189", "DE89 3704 0044 0532 0130 00"),
        ("jean@exemple.fr", "julie [at] exemple [point] fr"),
    ],
)
def test_of_two_values_side_by_side_none_is_left(pair: tuple[str, str], between: str) -> None:
    masked = mask(between.join(pair), Vault())

    assert len(masked.replacements) == 2
    assert not any(value in masked.text for value in pair)


def test_a_thousand_random_splits_give_the_unmasked_text() -> None:
    draw = random.Random(11)
    vault = Vault()
    masked = mask(TEXT, vault).text

    assert masked != TEXT
    for _ in range(1000):
        assert echo(masked, vault, draw) == TEXT
    restorer = Restorer(vault)
    assert "".join(map(restorer.feed, masked)) + restorer.finish() == TEXT


def test_every_labelled_line_comes_back_as_it_was() -> None:
    draw = random.Random(12)
    vault = Vault()

    for text in LINES:
        assert echo(mask(text, vault).text, vault, draw) == text


def test_what_was_masked_is_no_longer_sensitive() -> None:
    vault = Vault()

    left = [
        (masked, judged.reasons)
        for text in LINES
        if (judged := judge([Part("message", masked := mask(text, vault).text)])).sensitive
    ]

    assert left == []


@pytest.mark.parametrize("seed", range(4))
def test_no_text_is_changed_by_masking_and_restoring(seed: int) -> None:
    draw = random.Random(seed)
    policy = PrivacyPolicy.from_json({"patterns": [{"name": "pair_code", "pattern": "[a-z]{2}9"}]})
    vault = Vault()
    bits = [
        "ANON_EMAIL_0001",
        "anon_",
        "ANON",
        "\\",
        "_",
        "EMAIL",
        "0001",
        "1",
        "a@exemple.fr",
        "06 39 98 12 34",
        " ",
        "an",
        "x",
        "ab9",
        "-",
        "**",
        "ANON_PAIRCODE_00",
        "canon",
    ]
    for _ in range(400):
        text = "".join(draw.choices(bits, k=draw.randint(1, 14)))
        assert echo(mask(text, vault, policy).text, vault, draw) == text


def test_one_value_has_one_number_however_it_is_spelled() -> None:
    vault = Vault()

    first = vault.placeholder("phone", "06 39 98 12 34")

    assert first == "ANON_PHONE_0001"
    assert vault.placeholder("phone", "06 39 98 12 34") == first
    assert [vault.placeholder("phone", written) for written in ("+33 6 39 98 12 34", "0033 (0)6.39.98.12.34")] == [
        "ANON_PHONE2_0001",
        "ANON_PHONE3_0001",
    ]
    assert vault.placeholder("phone", "06 39 98 12 35") == "ANON_PHONE_0002"
    assert vault.placeholder("email", "jean@exemple.fr") == "ANON_EMAIL_0001"
    assert vault.placeholder("email", "jean [at] exemple [point] fr") == "ANON_EMAIL2_0001"
    assert (
        vault.placeholder("iban", "FR14 2004 1010 0505 0001 3M02 606")[-4:]
        == vault.placeholder("iban", "fr1420041010050500013m02606")[-4:]
    )


def test_a_vault_survives_its_json() -> None:
    vault = Vault()
    masked = mask(TEXT, vault).text

    again = Vault.from_json(json.loads(json.dumps(vault.to_json())))

    assert restore(masked, again) == TEXT
    assert mask(TEXT, again).text == masked
    assert again.placeholder("phone", "06 00 00 00 00").endswith("_0002")
    with pytest.raises(ValueError, match="version"):
        Vault.from_json({})


@pytest.mark.parametrize(
    "written",
    [
        "ANON_EMAIL_0001",
        "anon_email_0001",
        "Anon_Email_0001",
        "ANON\\_EMAIL\\_0001",
        "ANON\\\\_EMAIL\\\\_0001",
        "ANON EMAIL 0001",
        "ANON-EMAIL-0001",
    ],
)
def test_what_models_do_to_placeholders_is_undone(written: str) -> None:
    vault = Vault()
    vault.placeholder("email", "jean@exemple.fr")

    for around in ("**{}**", "`{}`", "[{0}](mailto:{0})", "« {} ».", "{}s", "x{}1"):
        text = around.format(written)
        restorer = Restorer(vault)
        assert restore(text, vault) == around.format("jean@exemple.fr")
        assert "".join(map(restorer.feed, text)) + restorer.finish() == around.format("jean@exemple.fr")


def test_an_unknown_placeholder_stays() -> None:
    vault = Vault()
    vault.placeholder("email", "jean@exemple.fr")

    assert (
        restore("ANON_EMAIL_0002 ANON_PHONE_0001 ANON_EMAIL9_0001", vault) == "ANON_EMAIL_0002 ANON_PHONE_0001 ANON_EMAIL9_0001"
    )


def test_text_is_given_out_as_early_as_it_can_be() -> None:
    vault = Vault()
    vault.placeholder("email", "jean@exemple.fr")
    restorer = Restorer(vault)

    assert restorer.feed("Bonjour ") == "Bonjour "
    assert restorer.feed("ANO") == ""
    assert restorer.feed("N_EMAIL_000") == ""
    assert restorer.feed("1") == "jean@exemple.fr"
    assert restorer.feed(" et un an") == " et un "
    assert restorer.feed("née") == "année"
    assert restorer.feed("ANON_EMAIL_00") == ""
    assert restorer.finish() == "ANON_EMAIL_00"
    assert restorer.finish() == ""


def test_no_half_placeholder_is_ever_given_out() -> None:
    vault = Vault()
    masked = mask(TEXT, vault).text
    restorer = Restorer(vault)
    given = ""

    for letter in masked:
        given += restorer.feed(letter)
        assert TEXT.startswith(given)


def test_an_empty_vault_holds_nothing_back() -> None:
    restorer = Restorer(Vault())

    assert restorer.feed("ANON_EMAIL_") == "ANON_EMAIL_"
    assert restorer.finish() == ""


def test_more_values_than_placeholders_is_a_refusal() -> None:
    vault = Vault()
    for number in range(9999):
        vault.placeholder("email", f"a{number}@exemple.fr")

    with pytest.raises(TooManyValues):
        vault.placeholder("email", "b@exemple.fr")
    assert vault.placeholder("email", "a7@exemple.fr") == "ANON_EMAIL_0008"


def test_placeholders_are_shaped_alike() -> None:
    vault = Vault()
    policy = PrivacyPolicy.from_json({"patterns": [{"name": "employee_badge", "pattern": "BDG[0-9]{4}", "weight": 0.9}]})

    masked = mask("BDG1234 et BDG12345", vault, policy)

    assert masked.text == "ANON_EMPLOYEEBADGE_0001 et ANON_EMPLOYEEBADGE_00015"
    assert restore(masked.text, vault) == "BDG1234 et BDG12345"
    assert all(SHAPE.fullmatch(part.placeholder) for part in masked.replacements)
