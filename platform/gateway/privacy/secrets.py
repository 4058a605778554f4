"""Keys, tokens and private keys whose shape is known, and passwords in addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from gateway.privacy.findings import SECRET, Hit
from gateway.privacy.identifiers import is_identifier

# Any long run of a key's letters is looked at; what a key begins with decides.
CANDIDATE = re.compile(r"[A-Za-z0-9](?<![A-Za-z0-9_.\-].)[A-Za-z0-9_.\-]{15,}")
_W = r"[A-Za-z0-9_\-]"
SHAPES: tuple[tuple[str, str], ...] = (
    ("aws", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Za-z0-9])|(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ("github", rf"gh[pousr]_[A-Za-z0-9]{{36,255}}|github_pat_{_W}{{22,255}}"),
    ("gitlab", rf"gl(?:pat|ptt|dt|rt|cbt|oas|soat|imt|ft|agent)-{_W}{{20,300}}"),
    ("anthropic", rf"sk-ant-{_W}{{20,200}}"),
    ("openai", rf"sk-(?:proj-|svcacct-|admin-|or-v1-|None-)?{_W}{{20,200}}"),
    ("stripe", r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,247}|whsec_[A-Za-z0-9+/=]{24,80}"),
    ("slack", r"xox[abeoprs]-[A-Za-z0-9\-]{10,250}|xapp-[0-9]-[A-Za-z0-9\-]{20,250}"),
    ("google", rf"AIza{_W}{{35}}(?!{_W})|ya29\.{_W}{{20,500}}|GOCSPX-{_W}{{24,40}}"),
    ("sendgrid", rf"SG\.{_W}{{16,32}}\.{_W}{{32,64}}"),
    ("twilio", r"SK[0-9a-f]{32}(?![0-9A-Za-z])"),
    ("mailgun", r"key-[0-9a-z]{32}(?![0-9A-Za-z])"),
    ("npm", r"npm_[A-Za-z0-9]{36}"),
    ("pypi", rf"pypi-{_W}{{50,300}}"),
    ("huggingface", r"(?:hf|api_org)_[A-Za-z0-9]{30,45}"),
    ("jwt", rf"eyJ{_W}{{8,2000}}\.eyJ{_W}{{8,8000}}\.{_W}{{10,2000}}"),
    ("groq", r"gsk_[A-Za-z0-9]{40,60}"),
    ("mistral", r"(?:r8_|xai-|pplx-|csk-|nvapi-|tgp_v1_|fw_)[A-Za-z0-9_\-]{30,120}"),
    ("digitalocean", r"do[por]_v1_[0-9a-f]{64}"),
    ("shopify", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    ("databricks", r"dapi[0-9a-f]{32}"),
    ("vault", rf"hv[sbr]\.{_W}{{24,200}}"),
    ("grafana", r"gl(?:sa|c)_[A-Za-z0-9_+/=]{32,120}"),
    ("notion", r"(?:secret_[A-Za-z0-9]{43}|ntn_[A-Za-z0-9]{40,60})"),
    ("airtable", r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
    ("brevo", r"xkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16}"),
    ("docker", rf"dckr_(?:pat|oat)_{_W}{{20,60}}"),
    ("scaleway", r"SCW[A-Z0-9]{17}(?![A-Za-z0-9])"),
    ("linear", r"lin_(?:api|oauth)_[A-Za-z0-9]{32,64}"),
    ("newrelic", r"NRAK-[A-Z0-9]{27}"),
    ("sentry", r"sntry[su]_[A-Za-z0-9_=+/\-]{40,300}"),
    ("supabase", r"sb(?:p_[0-9a-f]{40}|_secret_[A-Za-z0-9_\-]{20,60})"),
    ("doppler", r"dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9._\-]{40,80}"),
    ("terraform", rf"[A-Za-z0-9]{{14}}\.atlasv1\.{_W}{{60,80}}"),
    ("square", rf"(?:sq0(?:atp|csp)-{_W}{{22,43}}|EAAA{_W}{{60}})"),
    ("facebook", r"EAACEdEose0cBA[0-9A-Za-z]{20,200}"),
    ("alibaba", r"LTAI[A-Za-z0-9]{12,20}(?![A-Za-z0-9])"),
    ("figma", rf"figd_{_W}{{30,60}}"),
    ("posthog", r"ph[xc]_[A-Za-z0-9]{40,50}"),
    ("mapbox", rf"sk\.eyJ{_W}{{20,200}}\.{_W}{{16,40}}"),
    ("atlassian", r"ATATT3[A-Za-z0-9_\-=]{60,250}"),
    ("age", r"AGE-SECRET-KEY-1[A-Z0-9]{58}"),
    ("heroku", r"HRKU-[A-Za-z0-9_\-]{30,64}"),
    ("discord", rf"[MNO][A-Za-z0-9]{{23,27}}\.{_W}{{6}}\.{_W}{{27,40}}"),
    ("jwe", rf"eyJ{_W}{{8,2000}}\.{_W}{{0,2000}}\.{_W}{{8,200}}\.{_W}{{8,8000}}\.{_W}{{8,100}}"),
    ("meta", r"EAA[A-Za-z0-9]{90,400}"),
    ("mailchimp", r"[0-9a-f]{32}-us[0-9]{1,2}(?![0-9A-Za-z])"),
    ("postman", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    ("dropbox", rf"sl\.{_W}{{60,300}}"),
    ("pulumi", r"pul-[0-9a-f]{40}"),
    ("netlify", r"nfp_[A-Za-z0-9]{36}"),
    ("render", r"rnd_[A-Za-z0-9]{24,40}"),
    ("planetscale", rf"pscale_(?:tkn|pw|oauth)_{_W}{{32,64}}"),
    ("langsmith", r"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}"),
    ("pinecone", rf"pcsk_{_W}{{40,80}}"),
    ("tavily", r"tvly-[A-Za-z0-9\-]{20,60}"),
    ("elevenlabs", r"sk_[0-9a-f]{48}(?![0-9A-Za-z])"),
    ("contentful", rf"CFPAT-{_W}{{43}}"),
    ("typeform", rf"tfp_{_W}{{40,60}}"),
    ("rubygems", r"rubygems_[0-9a-f]{48}"),
    ("nuget", r"oy2[A-Za-z0-9]{43}(?![A-Za-z0-9])"),
    ("jfrog", r"AKCp[A-Za-z0-9]{60,80}"),
    ("sonar", r"sq[upa]_[0-9a-f]{40}"),
    ("onepassword", rf"ops_eyJ{_W}{{100,2000}}"),
    ("bitbucket", r"ATBB[A-Za-z0-9]{20,32}(?![A-Za-z0-9])"),
    ("cloison", r"(?:clo|cloison)_[A-Za-z0-9_\-]{24,100}"),
)
KEY = re.compile("|".join(f"(?P<{name}>{shape})" for name, shape in SHAPES))
# The first two letters of each shape: what most strings fail, before forty shapes are tried.
BEGINNINGS = frozenset(
    "AK AS AB AC gh gi gl sk rk pk wh xo xa AI ya GO SG SK ke np py hf ap ey gs r8 pp cs nv tg fw do sh da hv se nt pa xk dc SC"
    " li NR sn sb dp sq EA LT fi ph AT AG HR cl PM sl pu nf rn ps ls pc tv CF tf ru oy op".split()
)
NAMELESS = re.compile(r"[0-9a-f]{32}-us|[A-Za-z0-9]{14}\.atlasv1|[MNO][A-Za-z0-9]{23,27}\.")
PRIVATE_KEY = re.compile(r"----(?:-| )BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?(?:-| )----|PuTTY-User-Key-File-[0-9]: ")
PRIVATE_END = re.compile(r"----(?:-| )END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?(?:-| )----|Private-MAC: [0-9a-f]{40,64}")
LONGEST_KEY = 16_000  # A PEM of 8,192 bits has 6,400 characters.
URL_PASSWORD = re.compile(r"://([^\s:/@?#\[\]\"'<>]{0,100}):([^\s/@\"'<>]{1,200})@(?=[\w\[])")
URL_TOKEN = re.compile(r"://([A-Za-z0-9_-]{20,200})@(?=[a-z0-9])")  # A token where a name would be.
URL_QUERY = re.compile(
    r"[?&;](?:api_?key|apikey|key|token|access_?token|refresh_?token|auth|auth_?token|secret|client_secret|password"
    r"|passwd|pwd|sig|signature"
    r"|x-amz-signature|x-goog-signature)=([A-Za-z0-9%._~+/=\-]{8,2000})",
    re.IGNORECASE,
)
HEADER = re.compile(
    r"\b(?:Bearer|Basic|Token)\s{1,3}([A-Za-z0-9._~+/\-]{16,4000}={0,2})(?![A-Za-z0-9])|(?<=X-API-Key: )(\S{12,400})",
    re.IGNORECASE,
)
# Not of a key's letters alone.
REFRESH = re.compile(r"(?<![A-Za-z0-9/:.])1//0[A-Za-z0-9_-]{30,200}")
BRAINTREE = re.compile(r"access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}")
COOKIE = re.compile(r"(?:session|sess|sid|auth|token|csrf|jwt|remember)[\w.-]{0,24}=([A-Za-z0-9%._~+/-]{16,2000})", re.IGNORECASE)
TELEGRAM = re.compile(r"(?<![0-9A-Za-z])[0-9]{8,10}:A[A-Za-z0-9_\-]{34}(?![A-Za-z0-9_\-])")
SLACK_HOOK = re.compile(
    r"hooks\.slack\.com/(?:services|workflows)/T[A-Z0-9]{6,12}/[A-Z0-9]{6,14}/[A-Za-z0-9]{16,40}"
    r"|discord(?:app)?\.com/api/webhooks/[0-9]{15,21}/[A-Za-z0-9_\-]{40,100}"
)
# What is assigned to a name that says so; the name is read backwards from its last word.
ASSIGNED = re.compile(
    r"(?:key|token|secret|password|pass|pwd)[\"']?\s{0,2}(?::=|=>|[:=])\s{0,2}[\"']?([A-Za-z0-9/+_\-.!@#$%^&*~]{8,400}={0,2})",
    re.IGNORECASE,
)
NAMED = re.compile(
    r"(?:pg|mysql|redis|smtp|ftp|ssh|ldap|rsa|aes|jwt|hmac|app|user|admin|root|master|license|wp|mail|session|refresh|id|consumer"
    r"|webhook|service|secret|access|account|client|private|api|auth|bot|shared|encryption|signing|database"
    r"|db)[_-]?(?:access[_-]?)?$|[a-z]{2,20}_$",
    re.IGNORECASE,
)
COMMAND = re.compile(r"(?<=\s)(?:-u|--user|--proxy-user)[ =][\"']?[\w.@-]{1,64}:([^\s\"']{4,100})")
# The two lines of a setting: name: DB_PASSWORD, value: …
PAIR = re.compile(
    r"(?:password|passwd|pwd|secret|token|key)[\"']?,?[ \n\t-]{0,20}[\"']?value[\"']? ?[:=] ?[\"']?([^\s\"',}]{6,400})",
    re.IGNORECASE,
)
STAND_IN = re.compile(r"(?:[a-z]+_)*(?:password|passwd|pass|pwd|secret|key|token|mot_?de_?passe|mdp)", re.IGNORECASE)
GLUED = re.compile(
    r"\b(?:(?:mysql(?:dump|admin|import)?|mariadb|sshpass|(?:docker|podman|az|oc|helm registry) login)\b[^\n]{0,120}? -p"
    r"|redis-cli\b[^\n]{0,120}? -a) ?[\"']?([^\s\"']{4,100})"
)
PLACEHOLDER = re.compile(
    r"x{4,}|\*{3,}|\.{3,}|your[_\-]|votre|changeme|change_me|placeholder|redacted|<|\$\{|\{\{|_here$|insert|dummy"
    r"|todo|process\.env|os\.environ|getenv",
    re.IGNORECASE,
)


def detect(text: str, bare: str) -> Iterator[Hit]:
    for candidate in CANDIDATE.finditer(text):
        yield from _keys(text, candidate)
    if "://" in text or "?" in text or "&" in text:
        yield from _addresses(text)
    if "PRIVATE KEY" in text or "PuTTY" in text:
        yield from _private_keys(text)
    if " -u" in text or "-user" in text:
        for found in COMMAND.finditer(text):
            if not PLACEHOLDER.search(found[1]) and found[1].lower() not in {"password", "pass"}:
                yield Hit(SECRET, found.start(1), found.end(1), "password in a command")
    if " -p" in text or " -a" in text:
        for found in GLUED.finditer(text):
            if not PLACEHOLDER.search(found[1]) and any(letter.isdigit() for letter in found[1]):
                yield Hit(SECRET, found.start(1), found.end(1), "password in a command")
    if "value" in bare:
        for found in PAIR.finditer(text):
            if _is_drawn(found[1]):
                yield Hit(SECRET, found.start(1), found.end(1), "assigned")
    yield from _signed_in(text, bare)
    if ":A" in text:
        for found in TELEGRAM.finditer(text):
            yield Hit(SECRET, found.start(), found.end(), "telegram")
    if any(word in bare for word in ("bearer", "basic", "token ", "x-api-key")):
        for found in HEADER.finditer(text):
            group = 1 if found[1] else 2
            if _random(found[group], 2.6) and any(letter.isdigit() for letter in found[group]):
                yield Hit(SECRET, found.start(group), found.end(group), "header")
    if ("=" in text or ":" in text) and any(word in bare for word in ("key", "token", "secret", "pass", "pwd")):
        for found in ASSIGNED.finditer(text):
            if NAMED.search(text, max(0, found.start() - 30), found.start()) is None:
                continue
            if _is_drawn(found[1]):
                yield Hit(SECRET, found.start(1), found.end(1), "assigned")


def _signed_in(text: str, bare: str) -> Iterator[Hit]:
    if "1//0" in text:
        for found in REFRESH.finditer(text):
            yield Hit(SECRET, found.start(), found.end(), "google")
    if "access_token$" in text:
        for found in BRAINTREE.finditer(text):
            yield Hit(SECRET, found.start(), found.end(), "braintree")
    if "cookie:" in bare:
        for found in COOKIE.finditer(text):
            if _is_drawn(found[1]):
                yield Hit(SECRET, found.start(1), found.end(1), "cookie")


def _private_keys(text: str) -> Iterator[Hit]:
    """Whole blocks; of one without its end, what may belong to it."""
    at = 0
    while (begin := PRIVATE_KEY.search(text, at)) is not None:
        end = PRIVATE_END.search(text, begin.end(), begin.end() + LONGEST_KEY)
        at = end.end() if end else min(len(text), begin.end() + LONGEST_KEY // 4)
        yield Hit(SECRET, begin.start(), at, "private key")


NEXT_START = re.compile(r"[_.](?=[A-Za-z0-9])")


def _keys(text: str, candidate: re.Match[str]) -> Iterator[Hit]:
    position, end = candidate.start(), candidate.end()
    while position < end:
        likely = text[position : position + 2] in BEGINNINGS or NAMELESS.match(text, position, end)
        found = KEY.match(text, position, end) if likely else None
        if found is not None:
            name = found.lastgroup or ""
            if _is_key(found[0], name):
                stop = found.end()
                while text[stop - 1] in ".-":
                    stop -= 1
                yield Hit(SECRET, position, stop, name)
                return
        # The next place where a key may begin: after a separator.
        cut = NEXT_START.search(text, position, end)
        if cut is None:
            return
        position = cut.end()


def _is_key(value: str, name: str) -> bool:
    if PLACEHOLDER.search(value):
        return False
    if name in {"openai", "stripe", "slack", "mistral", "gitlab", "cloison", "pypi", "vault", "docker"}:
        body = value.split("-", 1)[-1] if "-" in value else value
        return (
            (any(letter.isdigit() for letter in body) or _is_mixed(body))
            and any(letter.isalpha() for letter in body)
            and _random(body, 2.6)
            and not _is_slug(body)
        )
    return len(set(value)) > 7


def _is_mixed(value: str) -> bool:
    """More changes of case than words joined have; of keys of twenty letters, one in thirty has no digit."""
    return sum(one.islower() != other.islower() for one, other in pairwise(value)) >= 0.4 * len(value)


def _is_slug(value: str) -> bool:
    """Words joined by dashes, as in an address of a page."""
    parts = re.split(r"[-_]", value)
    if sum(part.isalpha() for part in parts) < 2:
        return False
    return len(parts) >= 4 and max(map(len, parts)) < 14 and all(part.islower() or part.isdigit() or not part for part in parts)


def _random(value: str, least: float) -> bool:
    """Whether a value looks drawn rather than written: enough different letters, and no stand-in."""
    if PLACEHOLDER.search(value):
        return False
    from math import log2

    size = len(value)
    return -sum(count / size * log2(count / size) for count in map(value.count, set(value))) >= least


def _is_drawn(value: str) -> bool:
    return any(letter.isdigit() for letter in value) and _random(value, 2.5) and not is_identifier(value)


def _addresses(text: str) -> Iterator[Hit]:
    for found in URL_PASSWORD.finditer(text):
        if not PLACEHOLDER.search(found[2]) and not STAND_IN.fullmatch(found[2]):
            yield Hit(SECRET, found.start(2), found.end(2), "password in an address")
    for found in URL_TOKEN.finditer(text) if "@" in text else ():
        if _is_drawn(found[1]):
            yield Hit(SECRET, found.start(1), found.end(1), "token in an address")
    for found in URL_QUERY.finditer(text):
        if any(letter.isdigit() for letter in found[1]) and _random(found[1], 2.5):
            yield Hit(SECRET, found.start(1), found.end(1), "token in an address")
    for found in SLACK_HOOK.finditer(text):
        yield Hit(SECRET, found.start(), found.end(), "webhook")
