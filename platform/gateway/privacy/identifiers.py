"""What stands beside the word token in a program's source is mostly a name: `token=self.s3_token`, `key: UserAPIKeyAuth`."""

from __future__ import annotations

import re

ABOUT_SECRETS = r"(?:key|token|secret|password|passwd|pwd|credential|cred|auth|param|config|setting)s?"
IDENTIFIER = re.compile(
    r"(?:self|cls|this|os|sys|config|conf|settings|request|args|env|options|params|data)\.[A-Za-z_][\w.]*"
    rf"|_*(?:[a-z]+[0-9]{{0,3}}_)+{ABOUT_SECRETS}(?:_[a-z0-9]{{1,12}})*|_(?:[a-z0-9]+_)+[a-z0-9]+"
    rf"|[a-z_]\w*(?:\.\w+)*\.(?:[a-z]+_)*{ABOUT_SECRETS}[0-9]?"
    r"|[A-Za-z_][\w.]*\[[\w'\"]*\]|[a-z][a-z0-9_]*=(?:[a-z_.]{2,40}|%[a-z])"
)
CAMEL = re.compile(r"[a-zA-Z](?:Key|Token|Secret|Password|Credential|Auth|Param|Config)s?(?![a-z])")


def is_identifier(written: str) -> bool:
    written = written.rstrip(",;)")[:100]
    return IDENTIFIER.fullmatch(written) is not None or (written.isalpha() and CAMEL.search(written) is not None)
