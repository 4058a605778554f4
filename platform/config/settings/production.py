"""Behind TLS, with servers of the organisation's own. A missing secret stops the start, not the first request."""

import os

from config.settings.base import *  # noqa: F403

SECRET_KEY = os.environ["SECRET_KEY"]
CLOISON_GUARD_KEY = os.environ["CLOISON_GUARD_KEY"]
CLOISON_OPERATOR_HOSTS = os.environ["CLOISON_OPERATOR_HOSTS"].split(",")
os.environ["DATABASE_URL"]
os.environ["REDIS_URL"]

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken"
SECURE_HSTS_SECONDS = 63072000
