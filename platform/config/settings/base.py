"""What every installation shares. `local`, `test` and `production` differ from it by a few lines each."""

from __future__ import annotations

import os
from typing import Any

from config import environment, redis_urls
from config.environment import ROOT
from isolation.pool import clean

# Libraries that report home unless told otherwise are told before any of them is imported. ONNX Runtime looks up and
# calls its maker's collector from native code on Linux since 1.29, where no guard of Python's sees it.
os.environ.update(ORT_DISABLE_TELEMETRY="1", DO_NOT_TRACK="1", SCARF_NO_ANALYTICS="1", UNSTRUCTURED_DISABLE_NOTICE="1")
os.environ.update(HF_HUB_OFFLINE="1", LITELLM_LOCAL_MODEL_COST_MAP="True", LITELLM_MODE="PRODUCTION")

BASE_DIR = ROOT
CLOISON_VERSION = "0.1.0"
SECRETS = environment.secrets(migrator=environment.text("CLOISON_LOGIN") == "migrator")
DATA_DIR = environment.data_dir()

SECRET_KEY = SECRETS.get("SECRET_KEY")
CLOISON_GUARD_KEY = SECRETS.get("CLOISON_GUARD_KEY")
DEBUG = False
# Which host is whose is decided by exact match against the registered domains (404 otherwise): stricter than a list here.
ALLOWED_HOSTS = environment.words("ALLOWED_HOSTS", "*")
USE_X_FORWARDED_HOST = environment.flag("CLOISON_TRUST_PROXY")
CLOISON_OPERATOR_HOSTS = environment.words("CLOISON_OPERATOR_HOSTS", "localhost,127.0.0.1")

# django-tenants: what lives in the public schema, what in each tenant's.
SHARED_APPS = [
    "tenants",  # Before django_tenants, whose commands have the same names as ours.
    "django_tenants",
    "isolation",
    "core",
    "audit",
    "accounts",
    "gateway",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin",
    "django.contrib.staticfiles",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "appliance",
]
TENANT_APPS = [
    "audit",
    "accounts",
    "gateway",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.admin",
    "documents",
    "assistants.profiles",
    "assistants.conversations",
]
INSTALLED_APPS = SHARED_APPS + [app for app in TENANT_APPS if app not in SHARED_APPS]
TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "tenants.Domain"
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
ORIGINAL_BACKEND = "django_prometheus.db.backends.postgresql"
TENANT_LIMIT_SET_CALLS = False

ROOT_URLCONF = "config.urls_tenant"
PUBLIC_SCHEMA_URLCONF = "config.urls_public"
ASGI_APPLICATION = "config.asgi.application"
MIDDLEWARE = ["core.middleware.chain.RequestChain"]
# The steps that need apps above `core`; the chain calls them in its own order.
CLOISON_SITE_RESOLVER = "tenants.sites.resolve"
CLOISON_CORS_ALLOWS = "tenants.sites.origin_allowed"
CLOISON_PRINCIPALS = "accounts.principals"
CLOISON_ACCESS = "config.access.decide"
CLOISON_ROTATIONS = ["assistants.conversations.sharing.rotate"]  # of apps above tenants: schema → how many were sealed again
CLOISON_READINESS = {"database": "isolation.health.database", "redis": "core.streams.ping"}
# Our one asynchronous middleware does what these three look for by class: sessions, authentication, messages.
SILENCED_SYSTEM_CHECKS = ["admin.E408", "admin.E409", "admin.E410", "django_ratelimit.W001"]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "tenants.context_processors.site",
            ],
        },
    }
]

# One alias; its login follows the process's role (web and worker: cloison_app; provisioning: cloison_migrator).
IS_MIGRATOR = environment.text("CLOISON_LOGIN") == "migrator"
DATABASE_URL = SECRETS.get("DATABASE_MIGRATOR_URL" if IS_MIGRATOR else "DATABASE_URL")
CLOISON_DB_THREADS = int(environment.number("CLOISON_DB_POOL", 8))
DATABASES: dict[str, dict[str, Any]] = {"default": {"ENGINE": "isolation.backend", "NAME": "cloison"}}
if DATABASE_URL:
    DATABASES["default"] = environment.database(DATABASE_URL)
    if not IS_MIGRATOR:
        DATABASES["default"]["OPTIONS"]["pool"] = {
            "min_size": 1,
            "max_size": CLOISON_DB_THREADS,
            "timeout": 10,
            "reset": clean,
        }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS = redis_urls.derive(SECRETS.get("REDIS_URL"))
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS.cache,
        "KEY_FUNCTION": "isolation.cache.tenant_key",
        "TIMEOUT": 300,
    },
    "counters": {"BACKEND": "core.cache.CounterCache", "LOCATION": REDIS.cache, "KEY_FUNCTION": "isolation.cache.tenant_key"},
}
RATELIMIT_USE_CACHE = "counters"
CELERY_BROKER_URL = REDIS.celery
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 600, "socket_timeout": 30}
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TIMEZONE = "UTC"

STORAGES = {
    "default": {"BACKEND": "isolation.storage.TenantFileSystemStorage", "OPTIONS": {"location": DATA_DIR / "files"}},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
STATIC_URL = "/static/"
STATIC_ROOT = ROOT / "staticfiles"
STATICFILES_DIRS = [ROOT / "static"]
FILE_UPLOAD_TEMP_DIR = environment.text("CLOISON_UPLOAD_TEMP_DIR") or None
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024  # bytes, beside files
CLOISON_MAX_UPLOAD = int(environment.number("CLOISON_MAX_UPLOAD", 50 * 1024 * 1024))  # bytes
CLOISON_MAX_IMPORT = int(environment.number("CLOISON_MAX_IMPORT", 200 * 1024 * 1024))  # bytes of a file of conversations
CLOISON_MAX_ATTACHED_IMAGE = int(environment.number("CLOISON_MAX_ATTACHED_IMAGE", 20 * 1024 * 1024))  # bytes of each
CLOISON_MAX_ATTACHED_FILE = int(environment.number("CLOISON_MAX_ATTACHED_FILE", 25 * 1024 * 1024))
CLOISON_MAX_ATTACHED_AUDIO = int(environment.number("CLOISON_MAX_ATTACHED_AUDIO", 25 * 1024 * 1024))
CLOISON_WEIGHTS_DIR = environment.text("CLOISON_WEIGHTS_DIR", str(DATA_DIR / "weights"))

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.EmailBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": int(environment.number("CLOISON_PASSWORD_LENGTH", 8))},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "accounts.password_rules.MaximumLengthValidator"},
    {"NAME": "accounts.password_rules.OwnAddressValidator"},
]
PASSWORD_RESET_TIMEOUT = 3600  # seconds that a link for a new password works
CLOISON_SITE_ADDRESS = "tenants.sites.address_of"
CLOISON_PORT = environment.text("CLOISON_PORT")  # in links; none behind a proxy on the usual port
# Without a mail server messages become files beside the data, and the consoles say so.
EMAIL_HOST = environment.text("EMAIL_HOST")
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'filebased'}.EmailBackend"
EMAIL_FILE_PATH = DATA_DIR / "mail"
EMAIL_PORT = int(environment.number("EMAIL_PORT", 587))
EMAIL_HOST_USER = environment.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = environment.text("EMAIL_HOST_PASSWORD")
EMAIL_USE_SSL = environment.flag("EMAIL_USE_SSL")
EMAIL_USE_TLS = environment.flag("EMAIL_USE_TLS", default=not EMAIL_USE_SSL)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = environment.text("DEFAULT_FROM_EMAIL", "cloison@localhost")
CLOISON_LOGIN_TRIES = int(environment.number("CLOISON_LOGIN_TRIES", 5))  # failed, a minute, by address and name
CLOISON_LOGIN_TRIES_PER_ADDRESS = int(environment.number("CLOISON_LOGIN_TRIES_PER_ADDRESS", 30))
# host:port of identity providers inside the organisation's own network, which may be private and plain http.
CLOISON_OIDC_ALLOWED_HOSTS = [host.lower() for host in environment.words("CLOISON_OIDC_ALLOWED_HOSTS")]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
SESSION_ENGINE = "accounts.sessions"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "core.views.csrf_failure"
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("fr", "Français")]
LOCALE_PATHS = [ROOT / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.ChainAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["core.api.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser", "rest_framework.parsers.MultiPartParser"],
    "DEFAULT_PAGINATION_CLASS": "core.api.CursorPages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "core.api.problem_response",
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Cloison",
    "DESCRIPTION": "Assistants over an organisation's own documents.",
    "VERSION": "1",
    "SERVE_PUBLIC": True,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
}

CLOISON_DRAIN_SECONDS = environment.number("CLOISON_DRAIN_SECONDS", 20)  # how long open answers may go on after SIGTERM
# Token buckets: each person (and each anonymous address) has one; a tenant's and an address' are so many times larger.
CLOISON_RATE_PER_MINUTE = environment.number("CLOISON_RATE_PER_MINUTE", 60)
CLOISON_RATE_BURST = int(environment.number("CLOISON_RATE_BURST", 100))
CLOISON_TENANT_RATE_FACTOR = environment.number("CLOISON_TENANT_RATE_FACTOR", 20)
CLOISON_SOCKETS_PER_USER = int(environment.number("CLOISON_SOCKETS_PER_USER", 10))
CLOISON_LIMITER_TIMEOUT = environment.number("CLOISON_LIMITER_TIMEOUT_MS", 50) / 1000  # seconds to wait for Redis
CLOISON_WEB_PROCESSES = int(environment.number("CLOISON_WEB_PROCESSES", 1))  # each takes its share while Redis is away
CLOISON_METRICS_TENANTS = int(environment.number("CLOISON_METRICS_TENANTS", 200))  # labels of their own
CLOISON_DEMO = environment.flag("CLOISON_DEMO")
CLOISON_DEMO_PASSWORD = environment.text("CLOISON_DEMO_PASSWORD", "cloison-demo-2026")
CLOISON_FIRST_TOKEN_TIMEOUT = environment.number("CLOISON_FIRST_TOKEN_TIMEOUT", 30)  # seconds
CLOISON_GAP_TIMEOUT = environment.number("CLOISON_GAP_TIMEOUT", 20)  # seconds
CLOISON_ANSWER_TIMEOUT = environment.number(
    "CLOISON_ANSWER_TIMEOUT", 90
)  # seconds after a provider's last word, fallbacks included
CLOISON_BUILTIN_PACE_MS = environment.number("CLOISON_BUILTIN_PACE_MS", 15)
CLOISON_SECRETS_KEYS = SECRETS.get("CLOISON_SECRETS_KEYS")  # the keyring of providers' keys; empty: derived from SECRET_KEY
CLOISON_ALLOW_LOCAL_PROVIDERS = environment.flag("CLOISON_ALLOW_LOCAL_PROVIDERS")  # organisations' own accounts, too
CLOISON_TITLES = environment.text(
    "CLOISON_TITLES", "words"
)  # of conversations: their first words, or a local "model" writes them
CLOISON_CURRENCY = environment.text("CLOISON_CURRENCY", "EUR")  # of costs and budgets
CLOISON_EXCHANGE_RATES = environment.text("CLOISON_EXCHANGE_RATES", "USD=0.87,GBP=1.14,CHF=1.07")  # what one costs in it
CLOISON_USAGE_DAYS = int(environment.number("CLOISON_USAGE_DAYS", 400))  # that records of usage are kept
CLOISON_METRICS_TOKEN = environment.text("CLOISON_METRICS_TOKEN")
PROMETHEUS_EXPORT_MIGRATIONS = False

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"tenant": {"()": "isolation.logs.TenantFilter"}},
    "formatters": {"line": {"()": "core.logs.LineFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["tenant"]}},
    "root": {"handlers": ["stderr"], "level": environment.text("CLOISON_LOG_LEVEL", "INFO")},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        "daphne": {"level": "WARNING"},
        "aiohttp": {"level": "WARNING"},
        "celery": {"level": "INFO"},
        "celery.beat": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}
