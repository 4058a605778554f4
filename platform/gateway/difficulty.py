"""How hard a question is, from its words alone, in French as in English, and why.

A logistic regression over a few dozen signs (what the task asks for, figures, conditions, vocabulary of a profession,
length). Its weights are in `difficulty_weights`, made by `python -m bench.difficulty --write`..
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass

MOST = 6_000  # characters that are looked at: head and tail of what is longer
TOLD = 4  # reasons at most
LEAST_TOLD = 0.25  # of the logit; what moves it less is no reason

# Words without accents, in both languages; each pattern stands for one sign.
SIGNS: dict[str, str] = {
    "asks_proof": r"prove|proofs?|show that|derive|demontre\w*|prouve\w*|preuve|montre que|montrer que|justif\w+",
    "asks_code": r"python|javascript|typescript|java|rust|sql|c\+\+|regex|regular expression|expression reguliere"
    r"|algorithms?|algorithmes?|implement\w*|refactor\w*|compile\w*|debug\w*|function that|fonction qui|program(?:me)?s?"
    r"|thread\w*|async|def|class|html|css|script|unit tests?|tests unitaires|o\(n",
    "asks_steps": r"step by step|pas a pas|etapes?|steps?|first\b.{1,200}\bthen|d'abord\b.{1,200}\b(?:puis|ensuite)"
    r"|deduce|deduis\w*",
    "asks_plan": r"plan|planning|rota|schedule|organise\w*|arrange|strateg\w+|roadmap|architecture|design|concois"
    r"|concevoir|propose\w*",
    "asks_comparison": r"compare\w*|comparison|comparaison|comparez|versus|vs|pros and cons|advantages?|avantages?"
    r"|inconvenients?|benefits?|trade-?offs?|compromis|differences?|par rapport|criteria|criteres?|recommend\w*|recommand\w*",
    "asks_why": r"why|pourquoi|explain\w*|expliqu\w+|explain why|reasons?|raisons?|consequences?|implications?|impact\w*",
    "asks_judgement": r"analys\w+|evaluat\w+|evalue\w*|critici[sz]e|critiqu\w+|assess|weigh|pese\w*|discut\w+|discuss"
    r"|arguments?|assumptions?|hypotheses?|bias\w*|biais|risks?|risques?|diagnos\w+",
    "asks_logic": r"conclude[ds]?|conclure|infer\w*|implies|impliqu\w+|valid|valide|contradict\w*|if all|si tous|aucun"
    r"|neither|ni l'un|puzzle|enigme|which of the following (?:is|are) (?:not|true)|statement [12]|affirmation [12]|morally"
    r"|moralement",
    "asks_writing": r"essays?|dissertation|draft|redige\w*|report|rapport|story|histoire|poem|poeme|blog|speech|discours",
    "asks_translation": r"translat\w+|tradui\w+|traduction|how do you say|comment dit-on|in spanish|en espagnol"
    r"|en anglais|into french",
    "asks_extraction": r"list|liste|listez|extract\w*|extrai\w*|find all|name the|nomme|summar\w+|resum\w+|shorten"
    r"|raccourci\w*|according to (?:this|the) (?:text|passage|document)|d'apres (?:ce|le) (?:texte|passage|document)"
    r"|following text|texte suivant",
    "asks_rewriting": r"correct the|corrige\w*|rephrase|reword|reformul\w+|polite\w*|poliment|synonyms?|synonyme"
    r"|alphabetical|alphabetique",
    "asks_lookup": r"who (?:is|was|wrote|are)|qui (?:est|a|etait)|where (?:is|are|can)|ou (?:se trouve|est|puis)"
    r"|when (?:is|was|did)|quand|what is the (?:capital|name|number|date|price|day)|quel(?:le)? est (?:la capitale|le nom"
    r"|le numero|la date|le prix|le jour)|in which year|en quelle annee|opening hours|horaires|what does .{1,40} mean"
    r"|que veut dire|how do i|comment (?:faire|puis-je)",
    "small_talk": r"hello|hi|hey|bonjour|bonsoir|salut|thanks?|thank you|merci|please|s'il (?:te|vous) plait|joke|blague"
    r"|bye|au revoir",
    "sets_constraints": r"exactly|exactement|at least|at most|au moins|au plus|no more than|sans depasser|without|sans"
    r"|never|jamais|only|must|doi(?:t|vent)|each|every|chaque|chacun|except|sauf|unless|conforme|compl(?:y|ies)|edge cases?"
    r"|cas limites?",
    "is_conditional": r"if|si|suppose\w*|supposons|given that|sachant|assum\w+|let [a-z]\b|soi(?:t|ent)|when|lorsque"
    r"|provided|pourvu",
    "counts": r"how many|how much|how old|how long|how far|combien|quel age|what time|quelle heure|in total|en tout|left"
    r"|reste\w*|remain\w*|total|altogether",
    "has_rates": r"twice|double|half|moitie|third|tiers|quarter|quart|percent\w*|pourcent\w*|%|per|par (?:jour|semaine"
    r"|heure|mois)|km/h|times as|fois plus|every (?:day|week|hour|month)|chaque (?:jour|semaine|heure|mois)|average|moyenne"
    r"|ratio|discount|profit|tax|impot",
    "is_mathematical": r"theorems?|theoreme|integrals?|integrale|derivatives?|derivee|derivable|differentiable"
    r"|continuous|continu|limit[es]?|converge\w*|matri(?:x|ces?)|vectors?|vecteur|polynomi\w+|prime numbers?"
    r"|nombres premiers|irrational\w*|irrationnel\w*|rings?|anneau|fields?|cyclic|cyclique|subgroups?"
    r"|sous-groupe|isomorph\w+|homomorph\w+|probabilit\w+|equations?|inequalit\w+|inequation|functions?|integers?|entiers?"
    r"|sqrt|ln|sin|cos|modulo|degree|degre|eigen\w+|topolog\w+|sequence",
    "is_scientific": r"electrons?|quantum|quantique|potential|potentiel|entrop\w+|enthalp\w+|thermodynam\w+|kinetic"
    r"|cinetique|velocity|vitesse|momentum|magnetic|magnetique|voltage|tension|resistance|frequency|frequence|wavelength"
    r"|molecul\w+|atoms?|atomes?|ions?|molar|molaire|catalys\w+|equilibrium|equilibre|enzymes?|allost\w+|genes?|protein\w*"
    r"|mutation\w*|cells?|cellules?|isotop\w+|relativ\w+|orbital\w*|physics|physique|chemistry|chimie|astronom\w+",
    "is_medical": r"patients?|diagnos\w+|symptom\w*|hyponatr\w+|hyper\w{4,}|hypo\w{4,}|chroni\w+|therap\w+|clinical"
    r"|clinique|syndrome|oedem\w+|antibod\w+|anticorps|dose|tumou?rs?|surg\w+|chirurg\w+|arter\w+|nerve|nerf|anatom\w+",
    "is_legal": r"plaintiff|defendant|demandeur|defendeur|jurisdiction|competence du tribunal|courts?|tribunal|estoppel"
    r"|statutes?|liab\w+|responsabilite civile|tort|contracts?|contrat|clauses?|gdpr|rgpd|amendment|constitution\w*"
    r"|negligen\w+|easement|felony|jurispruden\w+|legal|legale?s?|juridique|warrant|testif\w+|lease|bail|deed",
    "is_technical": r"databases?|postgresql|mongodb|server|serveur|cache|latency|latence|consisten\w+|coherence"
    r"|distributed|distribue|cloud|nuage|protocol\w*|encrypt\w*|chiffrement|kernel|complexity|complexite|hash\w*|trees?"
    r"|arbres?|graph\w*|turing|np-\w+|allocation|pointers?|pointeur|bits?|bytes?|octets?|cpu|network|reseau|econom\w+|gdp"
    r"|pib|inflation|monetary|monetaire|regression|variance|correlation|hypothesis test|utilit\w+|epistem\w+|kant\w*"
    r"|metaphys\w+",
}
PATTERNS = {name: re.compile(rf"(?<![a-z])(?:{words})(?![a-z])", re.DOTALL) for name, words in SIGNS.items()}
NUMBERS = re.compile(r"\d+(?:[.,]\d+)?")
SYMBOLS = re.compile(r"[=^√∑∫∛≤≥≠∈∞→±×÷∂λπθ]|\\[a-z]{2,}|\*\*|\b[a-z]\([a-z0-9]")
CHOICES = re.compile(r"(?:^|\s)\(?[a-e][.)]\s", re.MULTILINE)
FENCE = re.compile(r"```|^\s{4,}\S|[{};]\s*$", re.MULTILINE)
HITS = (0.0, 0.6, 0.85, 1.0)  # what the first, second and third different word of a sign are worth
WORDS = re.compile(r"[^\W\d_]+")
SENTENCES = re.compile(r"[.!?:;\n]+(?:\s|$)")
QUOTED = re.compile(r"\n\n(?s:.{200,})|[«“\"](?s:[^»”\"]{40,})[»”\"]")
NAMES = (
    *SIGNS,
    "has_code",
    "has_choices",
    "has_symbols",
    "has_figures",
    "has_material",
    "is_long",
    "many_sentences",
    "long_words",
    "many_tasks",
)


@dataclass(frozen=True, slots=True)
class Difficulty:
    """`score` is from 0 (anyone can) to 1. `reasons` are the signs that moved it most, the strongest first; codes."""

    score: float
    reasons: tuple[str, ...]


def features(text: str) -> tuple[float, ...]:
    """The signs of a question, in the order of `NAMES`; each between 0 and about 1."""
    if len(text) > MOST:
        text = text[: MOST // 2] + "\n" + text[-MOST // 2 :]
    plain = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(c)).replace("’", "'")
    # What is only given to be worked on says less about the work than the request around it.
    asked = QUOTED.sub("\n", plain) or plain
    words = WORDS.findall(asked)
    found = [HITS[min(3, len({m.group() for m in pattern.finditer(asked)}))] for pattern in PATTERNS.values()]
    found.append(1.0 if FENCE.search(text) else 0.0)
    found.append(1.0 if len(CHOICES.findall(plain)) >= 3 else 0.0)
    found.append(_share(len(SYMBOLS.findall(asked)), 6))
    found.append(_share(len(NUMBERS.findall(asked)), 10))
    found.append(1.0 if len(asked) < len(plain) - 30 else 0.0)
    found.append(_share(len(words), 120))
    found.append(_share(len(SENTENCES.findall(asked)), 8))
    found.append(sum(len(word) >= 9 for word in words) / (len(words) + 4))
    found.append(_share(asked.count("?") + asked.count(" et ") + asked.count(" and ") + asked.count(";"), 6))
    return tuple(found)


def estimate(text: str) -> Difficulty:
    """How hard `text` is to answer well."""
    from gateway.difficulty_weights import BIAS, WEIGHTS

    pulls = [(WEIGHTS[name] * value, name) for name, value in zip(NAMES, features(text), strict=True)]
    logit = BIAS + sum(pull for pull, _ in pulls)
    sign = 1 if logit >= 0 else -1
    told = sorted(((pull * sign, name) for pull, name in pulls if pull * sign >= LEAST_TOLD), reverse=True)
    return Difficulty(1 / (1 + math.exp(-logit)), tuple(name for _, name in told[:TOLD]) or ("is_plain",))


def _share(count: int, most: int) -> float:
    """Logarithmic: the second of a thing says more than the tenth."""
    return math.log1p(min(count, 3 * most)) / math.log1p(most)
