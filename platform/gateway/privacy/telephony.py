"""What the words beside a number say of it."""

from __future__ import annotations

import re

ABOUT_PHONES = frozenset(
    "note notez allo tel telephone telephoner phone mobile portable cell whatsapp signal sms texto fax ligne fixe appeler appelez"
    " appelle joindre joignable"
    " rappeler rappelez rappelle contact contacter contactez call text reach wa".split()
)
# What a run of digits, or of digits in odd groups, is called when it is no phone number.
NOT_A_PHONE = frozenset(
    "commande cde order facture invoice colis suivi tracking ref reference sku ean isbn issn article lot dossier"
    " ticket serie serial"
    " siren siret bordereau bon devis contrat contract transaction imei gtin version build release firmware"
    " revision hash commit sha"
    " adherent client contrat membre abonne compte member customer account police allocataire permis passeport licence cadastrale"
    " bl cmd rma po sn pn id identifiant matricule timestamp parcel shipment batch case bug issue patent brevet doi pid".split()
)
NEVER_A_PHONE = frozenset(
    "commande cde order facture invoice colis suivi tracking ref reference sku ean isbn issn article lot devis bordereau serie"
    " serial siren siret imei version dossier ticket".split()
)
# Who has a number of his own, and a telephone: `n° client 0612345678`, but `client : Dupont, 0612345678`.
PEOPLE = frozenset("adherent client membre abonne member customer allocataire".split())
SMALL_WORDS = frozenset("n no num numero number nr nb de du la le les l est is d the".split())
# What has a number where one says so: `réservation n° 0612345678`, but `réservation : 01 44 55 66 77`.
NUMBERED = frozenset(
    "reservation booking voucher mandat cheque quittance recu sinistre claim abonnement inscription candidature application"
    " demande plainte affaire requete formulaire form billet".split()
)
NUMBER = frozenset("n no num numero number nr nb".split())
CALLERS = frozenset({"au", "by", "par"})  # commande passée par 0612345678
CLAUSE = re.compile(r"[,;.!?] (?=[a-z])")
OTHER_NUMBER = re.compile(r"(?<![a-z0-9])(?<![a-z]-)[0-9]+")  # Not the ten of "ISBN-10:"
LETTERS = re.compile("[a-z]+")


def line(text: str, start: int, width: int = 40) -> str:
    """What stands before, on the same line."""
    before = text[max(0, start - width) : start]
    return before[before.rfind("\n") + 1 :]


def called(bare: str, start: int) -> list[str]:
    """The last words before a number, with no other number between."""
    near = OTHER_NUMBER.split(line(bare, start, 24))[-1]
    clause = LETTERS.findall(CLAUSE.split(near)[-1])
    return LETTERS.findall(near) if SMALL_WORDS.issuperset(clause) else clause


def is_called_otherwise(bare: str, start: int, names: frozenset[str] = NOT_A_PHONE) -> bool:
    """Whether the words before a number say that it is another: a thing's anywhere, a person's right before it."""
    words = called(bare, start)
    if words and words[-1] in CALLERS:
        return False
    if not (names - PEOPLE).isdisjoint(words):
        return True
    telling = [word for word in words if word not in SMALL_WORDS]
    if not telling:
        return False
    if telling[-1] in NUMBERED:
        return not NUMBER.isdisjoint(words)
    return telling[-1] in PEOPLE and "service" not in telling


def about_phones(bare: str, start: int, end: int | None = None) -> bool:
    if not ABOUT_PHONES.isdisjoint(LETTERS.findall(line(bare, start))):
        return True
    return end is not None and not ABOUT_PHONES.isdisjoint(LETTERS.findall(bare[end : end + 30].split("\n", 1)[0]))
