from __future__ import annotations

import pytest

from gateway import language

FRENCH = """Quel est le préavis ?|Combien de jours de congés ai-je ?|Préavis cadres|Durée du contrat|Congés payés|Qui signe les contrats ?
Où se trouve le siège ?|Résume ce document|Délai de remboursement|Horaires d'ouverture|Puis-je télétravailler ?|Comment démissionner ?
Salaire minimum|Garantie du produit|Montant de la prime|Jours fériés|Conditions générales|Adresse du siège|Politique de sécurité
Est-ce que le badge est obligatoire ?|Quand la facture est-elle due ?|Assurance responsabilité civile|Numéro de TVA|Retour de marchandise
C'est quoi le RTT ?|Frais de déplacement|Mot de passe oublié|À quelle heure ferme l'accueil ?|Contact du support|Période d'essai""".replace(
    "\n", "|"
).split("|")
ENGLISH = """What is the notice period?|How many days of leave do I get?|Notice period|Contract duration|Annual leave|Who signs contracts?
Where is the headquarters?|Summarise this document|Refund deadline|Opening hours|Can I work from home?|How do I resign?
Minimum wage|Product warranty|Bonus amount|Public holidays|Terms and conditions|Head office address|Security policy
Is the badge mandatory?|When is the invoice due?|Liability insurance|VAT number|Returning goods
What's RTT?|Travel expenses|Forgotten password|What time does reception close?|Support contact|Trial period""".replace(
    "\n", "|"
).split("|")


def test_short_questions_are_told_apart() -> None:
    cases = [(text, "fr") for text in FRENCH] + [(text, "en") for text in ENGLISH]

    wrong = [
        (text, language.of_question(text, "xx")) for text, right in cases if language.of_question(text, "xx") not in {right, "xx"}
    ]
    silent = [text for text, _ in cases if language.of_question(text, "xx") == "xx"]

    assert len(wrong) <= 0.05 * len(cases), wrong
    assert len(silent) <= 0.2 * len(cases), silent


@pytest.mark.parametrize("text", ["", "42", "???", "RTT"])
def test_what_tells_nothing_is_in_the_default_language(text: str) -> None:
    assert language.of_question(text, "fr") == "fr"
