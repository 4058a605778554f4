"""Drew `labelled.jsonl`, which is frozen: numbers with valid check digits, broken ones beside them, in sentences of two languages.

All persons and numbers are invented. `python tests/gateway/privacy/make_labelled.py > labelled.jsonl` draws the same again.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

DRAW = random.Random(5)
HERE = Path(__file__).parent


def luhn_complete(body: str) -> str:
    for last in "0123456789":
        total = 0
        for at, digit in enumerate(reversed(body + last)):
            value = int(digit) * (1 + at % 2)
            total += value - 9 if value > 9 else value
        if total % 10 == 0:
            return body + last
    raise AssertionError


def digits(count: int) -> str:
    return "".join(DRAW.choices("0123456789", k=count))


def broken(number: str) -> str:
    """With its last digit wrong."""
    last = max(at for at, letter in enumerate(number) if letter.isdigit())
    return number[:last] + str((int(number[last]) + DRAW.randint(1, 9)) % 10) + number[last + 1 :]


def card() -> str:
    prefix, length = DRAW.choice(
        [("4970", 16), ("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("37", 15), ("34", 15), ("3530", 16), ("6011", 16)]
    )
    return luhn_complete(prefix + digits(length - 1 - len(prefix)))


def iban() -> str:
    country, body = DRAW.choice(
        [
            ("FR", digits(23)),
            ("FR", digits(10) + "0A1" + digits(10)),
            ("DE", digits(18)),
            ("BE", digits(12)),
            ("ES", digits(20)),
            ("GB", "NWBK" + digits(14)),
            ("IT", "X" + digits(22)),
            ("NL", "ABNA" + digits(10)),
            ("CH", digits(17)),
            ("LU", digits(16)),
        ]
    )
    number = int("".join(str(int(letter, 36)) for letter in body + country + "00"))
    return f"{country}{98 - number % 97:02}{body}"


def nir(key: bool = True) -> str:
    department, value = DRAW.choice([("75", 0), ("13", 0), ("69", 0), ("2A", 19), ("2B", 18), ("33", 0), ("97", 0)])
    front = f"{DRAW.choice('12')}{DRAW.randint(30, 99)}{DRAW.randint(1, 12):02}"
    rest = f"{DRAW.randint(1, 320):03}{DRAW.randint(1, 640):03}"
    whole = int(front + (str(value) if value else department) + rest)
    return front + department + rest + (f"{97 - whole % 97:02}" if key else "")


def phone() -> str:
    return DRAW.choice(["063998", "019900", "026191", "035301", "046571", "053649", "0612", "0698", "0745", "0142"])


def full_phone() -> str:
    front = phone()
    return front + digits(10 - len(front))


def pairs(number: str, by: str = " ") -> str:
    return by.join(number[at : at + 2] for at in range(0, 10, 2))


def fours(number: str, by: str = " ") -> str:
    return by.join(number[at : at + 4] for at in range(0, len(number), 4))


def wide(number: str) -> str:
    return "".join(chr(ord(letter) + 0xFEE0) if letter in "0123456789" else letter for letter in number)


def phone_spellings(number: str) -> list[str]:
    rest = number[1:]
    twos = " ".join([rest[0], *(rest[at : at + 2] for at in range(1, 9, 2))])
    return [
        number, pairs(number), pairs(number, "."), pairs(number, "-"), pairs(number, "\u00a0"), pairs(number, "\u202f"), pairs(number, " . "), pairs(number, "/"),
        pairs(number, " - "), pairs(number, "_"), "+33" + rest, "+33 " + twos, "+33 (0)" + twos, "+33(0)" + rest, "0033 " + twos, "0033" + rest, "(+33) " + twos,
        f"({number[:2]}) " + pairs(number)[3:], "+33." + twos.replace(" ", "."), "+33-" + twos.replace(" ", "-"), wide(pairs(number)), "\u200b".join(pairs(number)),
        number[:4] + " " + number[4:7] + " " + number[7:], number[:4] + " " + " ".join((number[4:6], number[6:8], number[8:])), "00 33 " + twos, "+33 0" + twos, "33 " + twos,
    ]  # fmt: skip


def iban_spellings(number: str) -> list[str]:
    return [
        number,
        fours(number),
        fours(number).lower(),
        number.lower(),
        fours(number, "-"),
        fours(number, "\u00a0"),
        fours(number, "."),
        number[:2] + " " + fours(number[2:]),
        "\u200b".join(fours(number)),
    ]


def card_spellings(number: str) -> list[str]:
    if len(number) == 15:
        return [number, f"{number[:4]} {number[4:10]} {number[10:]}", f"{number[:4]}-{number[4:10]}-{number[10:]}", wide(number)]
    return [
        number,
        fours(number),
        fours(number, "-"),
        fours(number, "."),
        fours(number, "\u00a0"),
        wide(fours(number)),
        fours(number, "  "),
        number[:8] + " " + number[8:],
        "\u200b".join(number),
    ]


def nir_spellings(number: str) -> list[str]:
    cut = [number[0], number[1:3], number[3:5], number[5:7], number[7:10], number[10:13], number[13:]]
    grouped = " ".join(part for part in cut if part)
    spellings = [grouped, grouped.replace(" ", "."), grouped.replace(" ", "-"), grouped.replace(" ", "\u00a0"), grouped.lower()]
    if number[13:]:
        spellings += [
            number,
            number[:13] + " " + number[13:],
            " ".join(cut[:-1]) + " / " + cut[-1],
            " ".join(cut[:-1]) + " clé " + cut[-1],
            wide(grouped),
        ]
    return spellings


def email_spellings() -> list[str]:
    first, last = (
        DRAW.choice("jean marie paul luc anne zoe karim lea hugo ines".split()),
        DRAW.choice("dupont martin durand leroy petit moreau".split()),
    )
    name = f"{first}.{last}"
    return [
        f"{name}@exemple.fr", f"{name}{DRAW.randint(1, 99)}@mail.example.com", f"{name.upper()}@EXEMPLE.FR", f"{first}+achats@example.org", f"{name} [at] exemple [point] fr",
        f"{first}(arobase)exemple.fr", f"{name} (at) example (dot) com", f"{first} arobase exemple point fr", f"{name}[at]exemple.fr", f"{name} @ exemple.fr", f"{name}＠exemple.fr",
        f"{first}_{last}@sous-domaine.exemple.co.uk", f"{first} AT example DOT com", f"{name}@exemple\u200b.fr", f"{first} point {last} arobase exemple point fr", f"{first}-at-exemple-dot-fr",
        f"<{name}@exemple.fr>", f"mailto:{name}@exemple.fr", f"{name}@exemple(dot)fr", f"{name} at exemple dot net", f"{name}&#64;exemple.fr", f"{first}{{at}}exemple{{dot}}com",
    ]  # fmt: skip


FRAMES = {
    "phone": [
        "Appelez-moi au {} demain.",
        "Mon numéro : {}",
        "Call me on {}, please",
        "tél {}",
        "Son portable c'est le {} je crois",
        "{}",
        "Contact: {} (after 6pm)",
        "Rappelle Zoé au {}, merci",
    ],
    "email": [
        "Écris à {} pour la suite",
        "Send it to {}",
        "{}",
        "Contact : {}",
        "Adresse de Paul : {}, à ne pas diffuser",
        "cc {} please",
    ],
    "card": [
        "Ma carte est {}",
        "Pay with {} please",
        "CB {} exp 12/27",
        "{}",
        "Numéro de carte : {}",
        "the card {} was declined",
    ],
    "iban": ["Virement sur {}", "My IBAN is {}", "RIB : {}", "{}", "Remboursez-moi sur le compte {} merci"],
    "nir": [
        "Numéro de sécu : {}",
        "NIR {}",
        "Mon n° de sécurité sociale est {}",
        "French social security number {}",
        "assurée {} depuis 2010",
    ],
}


def drawn() -> list[tuple[str, list[str]]]:
    lines: list[tuple[str, list[str]]] = []

    def add(kind: str, spelling: str, expected: list[str]) -> None:
        lines.append((DRAW.choice(FRAMES[kind]).format(spelling), expected))

    for _ in range(2):
        for spelling in phone_spellings(full_phone()):
            add("phone", spelling, ["phone"])
        for spelling in email_spellings():
            add("email", spelling, ["email"])
    for _ in range(3):
        for spelling in iban_spellings(iban()):
            add("iban", spelling, ["iban"])
    for _ in range(4):
        for spelling in card_spellings(card()):
            add("card", spelling, ["card"])
    for key in (True, True, True, False):
        for spelling in nir_spellings(nir(key)):
            add("nir", spelling, ["nir"])
    for _ in range(30):
        add("card", DRAW.choice(card_spellings(broken(card()))), [])
        add("iban", DRAW.choice(iban_spellings(broken(iban()))), [])
        add("nir", DRAW.choice(nir_spellings(broken(nir()))[:3]), [])
    for _ in range(12):
        lines += [
            (f"Commande n° {DRAW.randint(1, 9)}{digits(9)} expédiée", []),
            (f"commit {DRAW.getrandbits(160):040x}", []),
            (f"Position : {DRAW.randint(41, 51)}.{digits(6)}, {DRAW.randint(0, 7)}.{digits(6)}", []),
            (f"SIRET {luhn_complete('8' + digits(7))} 000{DRAW.randint(10, 99)}", []),
            (f"sha256:{DRAW.getrandbits(256):064x}", []),
            (
                f"version {DRAW.randint(1, 20)}.{DRAW.randint(0, 40)}.{DRAW.randint(0, 900)} du {DRAW.randint(1, 28):02}/{DRAW.randint(1, 12):02}/2026",
                [],
            ),
            (f"ticket #{digits(6)} / build {digits(8)}.{digits(2)}", []),
            (
                f"{DRAW.getrandbits(32):08x}-{DRAW.getrandbits(16):04x}-4{DRAW.getrandbits(12):03x}-a{DRAW.getrandbits(12):03x}-{DRAW.getrandbits(48):012x}",
                [],
            ),
        ]
    return lines


def main() -> None:
    lines = drawn()
    for row in (HERE / "written.tsv").read_text(encoding="utf-8").splitlines():
        if row and not row.startswith("#"):
            kinds, text = row.split("\t", 1)
            lines.append((text.replace("\\n", "\n"), [] if kinds == "-" else kinds.split(",")))
    for text, kinds in lines:
        sys.stdout.write(json.dumps({"text": text, "kinds": kinds}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
