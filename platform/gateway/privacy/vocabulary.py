"""Which words are sensitive."""

from __future__ import annotations

import re

# In lower case without accents; a space stands for any gap. The last word of each may be plural.
SECRETS = """mot de passe|mots de passe|mdp|password|passwd|pwd|passphrase|pass phrase|phrase secrete|token|jeton
cle api|cle d'api|cle d api
cle secrete|cle privee|api key|apikey|secret key|private key|secret|identifiant|credential|bearer|cle wifi|cle wpa
phrase de recuperation|recovery phrase|seed phrase|mot de pass
mots de pass|pass word|login|pass|cle|pw|clef|clef api|clef d'api|clef secrete|clef privee|clef wifi|clef wpa
motdepasse|cle de chiffrement|cle de dechiffrement|cle de cryptage|encryption key|decryption key|master key|cle maitre
cle wpa2|cle wep|cle de securite|cle reseau|cle du reseau|network key|security key|wifi key|wpa key"""
# Printed in groups, often of digits alone.
KEYS = """cle de recuperation|recovery key|recovery code|code de recuperation|backup code|code de secours|activation key
cle d'activation|cle de licence|cle de produit|product key|licence key|license key|clef de licence"""
# What is mostly typed on a keypad.
CODES = """pin|code pin|pin code|code secret|code confidentiel|code d'acces|code wifi|digicode|cvv|cvc|cryptogramme|otp|puk
code de verification|verification code|access code|code d'activation|code de securite|security code|code puk|code sim
code alarme|code d'alarme|code de l'alarme|alarm code|code porte|code de la porte|door code|code d'entree|code entree|entry code
code immeuble|code de l'immeuble|code portail|code du portail|gate code|code coffre|code du coffre|safe code|code du cadenas
code de deverrouillage|unlock code|wifi code
code carte|code de carte|code de la carte|code de ma carte|code cb|code de la cb|code de ma cb
cvv2|cvc2|cryptogramme visuel|passcode|code d'authentification|authentication code|code de confirmation|confirmation code
code de validation|validation code|one time code|one time password|code unique|code a usage unique|code sms|sms code
code de connexion|login code|code temporaire|code 2fa|2fa code|mfa code|code bancaire|code de la banque|code parental
code recu|code a 4 chiffres|code a 6 chiffres|4 digit code|6 digit code"""
MONEY = """fiche de paye|bulletin de paye|paye du mois|ma paye|sa paye
salaire|salarial|salariale|salariaux|remuneration|paie|bulletin de paie|fiche de paie|salary|wage|payslip|payroll
pay slip|compensation package|pay rise
augmentation de salaire|pension alimentaire|indemnite de licenciement|indemnites de licenciement
severance|revenu fiscal|revenu|net imposable
brut annuel|brut mensuel
saisie sur salaire|surendettement|decouvert bancaire|solde bancaire|rsa|allocation chomage|avis d'imposition
take home pay|alimony|income"""
HEALTH = """medical|medicale|medicaux|medicament|maladie|arret maladie|diagnostic|diagnosis|diagnosed|ordonnance
prescription|handicap|handicape|disability
cancer|vih|hiv|seropositif|seropositive|grossesse|enceinte|pregnancy|pregnant|depression|burn out|burnout
schizophrenie|diabete|diabetes|chimiotherapie
chemotherapy|psychiatre|psychiatrique|psychiatrist|psychiatric|therapy|hospitalisation|hospitalise|sick leave
illness|disease|patient|sante mentale
mental health|fausse couche|miscarriage|avortement|abortion|accident du travail|invalidite|toxicomanie|alcoolisme
addiction|health record|symptome"""
PRIVATE = """confidentiel|confidential|casier judiciaire|criminal record|orientation sexuelle|sexual orientation
religion|syndique|appartenance syndicale
union membership|origine ethnique|ethnic origin|opinion politique|political opinion|divorce|harcelement|harassment
licenciement|passeport|passport
numero de securite sociale|social security number|numero secu|carte bancaire|numero de carte|credit card|iban|rib
compte bancaire|bank account"""
# Not sensitive by themselves, only with a value: too common in any text.
ONLY_WITH_VALUE = frozenset(
    {
        "login",
        "pin",
        "identifiant",
        "otp",
        "income",
        "revenu",
        "rsa",
        "patient",
        "therapy",
        "bearer",
        "pwd",
        "pass",
        "cle",
        "clef",
        "pw",
    }
)


def split(text: str) -> frozenset[str]:
    return frozenset(text.replace("\n", "|").split("|"))


CODE_WORDS, MONEY_WORDS = split(CODES), split(MONEY)
KEY_WORDS = split(KEYS)
SECRET_WORDS = split(SECRETS) | CODE_WORDS | KEY_WORDS
AMOUNT_WORDS = MONEY_WORDS | split(HEALTH)
ALL_WORDS = SECRET_WORDS | AMOUNT_WORDS | split(PRIVATE)
PASSWORDS = frozenset({"mot de passe", "mdp", "password", "pwd"})
PHRASES = split("pass phrase|passphrase|phrase secrete|seed phrase|recovery phrase|phrase de recuperation")
TOKENS = re.compile(r"[a-z][a-z0-9]*")
