"""All detectors over one text."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter

from gateway.privacy import abroad, earnings, emails, findings, names, numbers, patterns, phones, secrets, words
from gateway.privacy.findings import Finding, Hit
from gateway.privacy.plain import Plain, plain
from gateway.privacy.policy import DEFAULT, PrivacyPolicy
from gateway.privacy.vocabulary import TOKENS

# Of two findings in one place, the earlier in this list stays: a card's digits are no phone number.
PRECEDENCE = {
    kind: rank
    for rank, kind in enumerate(
        (
            findings.SECRET,
            findings.IBAN,
            findings.NIR,
            findings.CARD,
            findings.EMAIL,
            findings.VAT,
            findings.SIRET,
            findings.PHONE,
            findings.SIREN,
            findings.VALUE,
            findings.NAME,
        )
    )
}


def detect(text: str, policy: PrivacyPolicy = DEFAULT) -> tuple[Finding, ...]:
    """What is personal in `text`, in reading order. Linear in its length.

    Findings of our own kinds do not overlap; those of a tenant's patterns, and words, may.
    Raises `PatternTooSlow`, and nothing else.
    """
    weights = policy.kind_weights
    seen = plain(text)
    kept = _without_overlaps([hit for hit in _hits(seen, policy) if hit.kind in weights])
    found = [Finding(hit.kind, *seen.span(hit.start, hit.end), weights[hit.kind], hit.note) for hit in kept]
    found += [
        Finding(hit.kind, hit.start, hit.end, weights[hit.kind], hit.note) for hit in patterns.detect(text, policy.patterns)
    ]
    if "ANON_" in text:
        found = [one for one in found if not findings.PLACEHOLDER.fullmatch(text, one.start, one.end)]
    if policy.never:
        found = [one for one in found if plain(text[one.start : one.end]).bare.strip() not in policy.never]
    return tuple(sorted(found, key=itemgetter(1, 2, 0)))


def _hits(seen: Plain, policy: PrivacyPolicy) -> Iterator[Hit]:
    text, bare, off = seen.text, seen.bare, policy.off
    tokens = frozenset(TOKENS.findall(bare))
    if findings.EMAIL not in off:
        yield from emails.detect(bare)
    if findings.PHONE not in off:
        yield from phones.detect(bare)
        yield from abroad.detect(bare, tokens)
    if findings.CARD not in off:
        yield from numbers.cards(bare, tokens)
    if findings.IBAN not in off:
        yield from numbers.ibans(bare)
    if findings.NIR not in off:
        yield from numbers.nirs(bare, tokens)
    if not {findings.SIREN, findings.SIRET, findings.VAT} <= off:
        yield from numbers.companies(bare)
    if findings.SECRET not in off:
        yield from secrets.detect(text, bare)
    if not {findings.WORD, findings.VALUE} <= off:
        yield from words.detect(text, bare, tokens, policy.words, policy.never)
    if findings.VALUE not in off:
        yield from earnings.detect(text, bare, tokens)
    if findings.NAME not in off:
        yield from names.detect(text, policy.names)


def _without_overlaps(hits: list[Hit]) -> list[Hit]:
    words_found = [hit for hit in hits if hit.kind == findings.WORD]
    others = [hit for hit in hits if hit.kind != findings.WORD]
    if len(others) > 1:
        others.sort(key=itemgetter(1, 2))
        kept: list[Hit] = []
        for hit in others:
            if kept and hit.start < kept[-1].end:
                old = kept[-1]
                if (PRECEDENCE[hit.kind], hit.start - hit.end) < (PRECEDENCE[old.kind], old.start - old.end):
                    kept[-1] = hit
            else:
                kept.append(hit)
        others = kept
    return others + words_found
