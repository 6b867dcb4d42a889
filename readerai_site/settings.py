"""Settings of ReaderAI classroom: read top to bottom, every value from an environment variable with a
default that runs on a fresh clone. `docs/operations.md` lists the variables."""

import contextlib
import os
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlparse

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from readerai_site.durations import Durations, Limits

BASE_DIR = Path(__file__).resolve().parent.parent


def env_list(name: str) -> list[str]:
    return [part.strip() for part in os.environ.get(name, "").split(",") if part.strip()]


def env_flag(name: str, default: bool = False) -> bool:
    return os.environ.get(name, str(int(default))).lower() in ("1", "true", "yes", "on")


# ---- Where things are kept

DATA_DIR = Path(os.environ.get("DATA_DIR", BASE_DIR / "var"))


def secret_key() -> str:
    """SECRET_KEY, or a key made once and kept in an ignored file readable by its owner only."""
    if key := os.environ.get("SECRET_KEY"):
        return key
    path = DATA_DIR / "secret_key"
    if not path.exists():
        DATA_DIR.mkdir(parents=True, exist_ok=True)
        # Written whole before it gets its name: of two processes that start together neither reads half a key.
        with tempfile.NamedTemporaryFile("w", dir=DATA_DIR) as draft:  # of mode 0600
            draft.write(get_random_secret_key())
            draft.flush()
            with contextlib.suppress(FileExistsError):  # another process was first
                os.link(draft.name, path)
    return path.read_text()


SECRET_KEY = secret_key()
DEBUG = env_flag("DEBUG")

# ---- Who may talk to us

HOST = os.environ.get("HOST", "127.0.0.1")
# https://read.school.example; with a slash at its end, as browsers show it, no socket's origin would ever be equal to it.
PUBLIC_ORIGINS = [origin.rstrip("/") for origin in env_list("PUBLIC_ORIGINS")]
# A classroom's own network: any of this machine's addresses is as good as another.
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS") or (
    [urlparse(origin).hostname for origin in PUBLIC_ORIGINS]
    or (["*"] if HOST in ("0.0.0.0", "::") else ["localhost", "127.0.0.1", "[::1]", HOST]))
CSRF_TRUSTED_ORIGINS = PUBLIC_ORIGINS
HTTPS = env_flag("HTTPS", any(origin.startswith("https://") for origin in PUBLIC_ORIGINS))
BEHIND_PROXY = env_flag("BEHIND_PROXY")
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
PUBLIC = bool(HTTPS or BEHIND_PROXY or PUBLIC_ORIGINS)
# A classroom's network is not public, but there are others in it.
FOR_OTHERS = PUBLIC or not {"localhost", "127.0.0.1", "::1", "[::1]"}.issuperset(ALLOWED_HOSTS)
if DEBUG and FOR_OTHERS:
    raise ImproperlyConfigured("DEBUG shows settings and data to everyone: leave it unset where others reach the site.")
if FOR_OTHERS and (
        len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 5 or SECRET_KEY.startswith("django-insecure-")):
    raise ImproperlyConfigured(
        "SECRET_KEY can be guessed, and with it every log-in: leave it unset, or give 50 random characters.")

# ---- The application

INSTALLED_APPS = [
    "classrooms",
    "sessions.apps.ReadingSessionsConfig",
    "readerai_site.apps.AdministrationConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "csp",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    # The first view of a page is three dozen small files: compressed they are under 100 KB, plain 170.
    "django.middleware.gzip.GZipMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "classrooms.middleware.EnrollmentMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
]
ROOT_URLCONF = "readerai_site.urls"
ASGI_APPLICATION = "readerai_site.asgi.application"
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "DIRS": [BASE_DIR / "templates"],
    "APP_DIRS": True,
    "OPTIONS": {"context_processors": [
        "django.template.context_processors.request",
        "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]},
}]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "classrooms.api.authentication.HashedTokenAuthentication",  # first: a stranger is told 401, and how to log in
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],  # staff get pages too: `classrooms.api.base`
    "DEFAULT_PARSER_CLASSES": ["sessions.api.parsing.WireParser"],
    "DEFAULT_PAGINATION_CLASS": "classrooms.api.paging.BeforePagination",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    # For each address, beside the count of wrong passwords that each account has.
    "DEFAULT_THROTTLE_RATES": {"token": "60/hour"},
    "EXCEPTION_HANDLER": "classrooms.api.handler.refuse",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "ReaderAI classroom",
    "DESCRIPTION": "Reading sessions, texts and classes for programs. Answers stream through the sockets.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": r"/api/v[0-9]+",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "PREPROCESSING_HOOKS": ["classrooms.api.schema.without_alias"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums", "classrooms.api.schema.strict_in_what_it_takes",
        "classrooms.api.schema.with_refusals",
    ],
}

# ---- Database: SQLite for one process, PostgreSQL for many

DATABASE_URL = os.environ.get("DATABASE_URL", f"sqlite:///{DATA_DIR / 'readerai.sqlite3'}")
DATABASES = {"default": dj_database_url.parse(DATABASE_URL)}
DATABASE_POOL = int(os.environ.get("DATABASE_POOL", "16"))  # PostgreSQL connections of this process at most
if DATABASE_POOL < 6:
    raise ImproperlyConfigured("DATABASE_POOL must be 6 at least: the sockets keep three, and pages need some too.")
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"] |= {
        # Reopening the file for each call costs as much as the commit itself (5.1 ms against 3.1).
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
        },
        # In shared memory SQLite answers "table is locked" at once; tests get a file too.
        "TEST": {"NAME": str(DATA_DIR / f"test-{os.getpid()}.sqlite3")},
    }
else:
    # Under ASGI each request may run on its own thread, so connections live in a pool, not in threads.
    DATABASES["default"] |= {
        "CONN_MAX_AGE": 0,
        # After a restart of PostgreSQL each connection of the pool would otherwise fail somebody once.
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "pool": {"min_size": 2, "max_size": DATABASE_POOL, "timeout": 10},
            # What the threads that keep a connection ask all day is planned once (`sessions.threads`).
            "server_side_binding": True,
        },
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ---- Channel layer: in this process, or Redis

REDIS_URLS = env_list("REDIS_URL")
if REDIS_URLS:
    CHANNEL_LAYERS = {"default": {
        "BACKEND": "readerai_site.redis_layer.LastingRedisChannelLayer",
        "CONFIG": {"hosts": REDIS_URLS, "capacity": 1_000, "prefix": os.environ.get("REDIS_PREFIX", "readerai")},
    }}
else:
    CHANNEL_LAYERS = {"default": {
        "BACKEND": "readerai_site.layer.InProcessChannelLayer",
        "CONFIG": {"capacity": 1_000},
    }}
# The tutor engine runs in the serving process unless workers do it (`manage.py runworker tutor`).
TUTOR_EMBEDDED = env_flag("TUTOR_EMBEDDED", not REDIS_URLS)

# ---- Who watches over us: /livez, /readyz and /metrics

METRICS_TOKEN = os.environ.get("METRICS_TOKEN", "")  # without one, /metrics answers this machine only, a public site nobody
METRICS_PORT = int(os.environ.get("METRICS_PORT") or "0")  # a worker's; the web processes have theirs

# ---- Time and measure

DURATIONS = Durations().scaled(float(os.environ.get("DURATION_SCALE", "1")))
LIMITS = Limits(llm_concurrent=int(os.environ.get("LLM_MAX_CONCURRENT", "10"))).relaxed(
    float(os.environ.get("LIMITS_SCALE", "1")))  # for benchmarks: the limits' code runs, its thresholds are far away
WEBSOCKET_MAX_BYTES = 64 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = LIMITS.upload_bytes + 64 * 1024

# ---- The tutor

OPENAI_API_KEY = os.environ.get("OPENAI_API_KEY", "")
OPENAI_BASE_URL = os.environ.get("OPENAI_BASE_URL", "")
TUTOR_MODEL = os.environ.get("TUTOR_MODEL", "gpt-5-mini")
TUTOR_PROVIDER = os.environ.get(
    "TUTOR_PROVIDER", "openai" if OPENAI_API_KEY or OPENAI_BASE_URL else "passage_helper")
# Who to call in this place, for the end of the card that a child in danger gets.
HELP_CARD = os.environ.get("HELP_CARD", "")

# ---- Accounts

AUTH_USER_MODEL = "classrooms.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "classrooms.backends.EnrollmentBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
# Teachers make their own accounts where only this machine reaches the site: a pupil on the classroom's network could too.
SIGN_UP = env_flag("SIGN_UP", not FOR_OTHERS)
PASSWORD_RESET_TIMEOUT = int(DURATIONS.password_reset)
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "classes"
LOGOUT_REDIRECT_URL = "landing"
SESSION_COOKIE_AGE = int(DURATIONS.session_absolute)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True  # scripts take the token from the page's own forms
CONTENT_SECURITY_POLICY = {"DIRECTIVES": {
    "default-src": ["'self'"], "object-src": ["'none'"], "base-uri": ["'none'"], "frame-ancestors": ["'none'"],
}}
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_SSL_REDIRECT = HTTPS and env_flag("SSL_REDIRECT", True)
SECURE_HSTS_SECONDS = int(os.environ.get("HSTS_SECONDS", "31536000" if HTTPS else "0"))
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = False
# Both would speak for the school's whole domain, which is not ours to decide.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# ---- E-mail: through a server, else on the console of whoever runs the site for themselves, else none

EMAIL_HOST = os.environ.get("EMAIL_HOST", "")
EMAIL_PORT = int(os.environ.get("EMAIL_PORT", "587"))
EMAIL_HOST_USER = os.environ.get("EMAIL_USER", "")
EMAIL_HOST_PASSWORD = os.environ.get("EMAIL_PASSWORD", "")
EMAIL_USE_SSL = env_flag("EMAIL_TLS", True) and EMAIL_PORT == 465
EMAIL_USE_TLS = env_flag("EMAIL_TLS", True) and EMAIL_PORT != 465
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = SERVER_EMAIL = os.environ.get("EMAIL_FROM", f"readerai@{EMAIL_HOST or 'localhost'}")
SENDS_EMAIL = bool(EMAIL_HOST) or not PUBLIC
EMAIL_BACKEND = "django.core.mail.backends." + (
    "smtp.EmailBackend" if EMAIL_HOST else "console.EmailBackend" if SENDS_EMAIL else "dummy.EmailBackend")
if EMAIL_HOST and not PUBLIC_ORIGINS:
    # A request says by what name it reached us, and may lie: a link with a secret goes to the true address only.
    raise ImproperlyConfigured("EMAIL_HOST needs PUBLIC_ORIGINS: links in e-mails lead to the first of them.")

# ---- Parts of pages that are the same for all, kept in each process: the words of a page, the panels around it

CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "template_fragments": {
        "BACKEND": f"django.core.cache.backends.{'dummy.DummyCache' if DEBUG else 'locmem.LocMemCache'}",
        "LOCATION": "template_fragments", "OPTIONS": {"MAX_ENTRIES": 500}},
}

# ---- Languages, static files, logs

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]
TIME_ZONE = os.environ.get("TIME_ZONE", "UTC")
USE_I18N = USE_TZ = True
LOCALE_PATHS = [BASE_DIR / "locale"]
STATIC_URL = "/static/"
STATIC_ROOT = Path(os.environ.get("STATIC_DIR", DATA_DIR / "static"))
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # whitenoise warns at every start where it is missing
STATICFILES_DIRS = [BASE_DIR / "static"]
# Collected files (`make run` does it, and so must an upgrade) are compressed and cached; a bare clone serves its own.
STATIC_IS_COLLECTED = (STATIC_ROOT / "staticfiles.json").exists() or "collectstatic" in sys.argv
WHITENOISE_USE_FINDERS = not STATIC_IS_COLLECTED
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "readerai_site.static_storage.StaticStorage" if STATIC_IS_COLLECTED
                    else "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
LOG_FORMAT = os.environ.get("LOG_FORMAT") or "plain"
if LOG_FORMAT not in ("plain", "json"):
    raise ImproperlyConfigured(f"LOG_FORMAT is plain or json, not {LOG_FORMAT}.")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {"()": "readerai_site.logs.Formatter", "format": "{asctime} {levelname} {name} {message}", "style": "{"},
        "json": {"()": "readerai_site.logs.JSONFormatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": os.environ.get("LOG_LEVEL", "INFO")},
    # Whatever LOG_LEVEL is: they write addresses, in which a key may stand, and openai once wrote whole questions.
    "loggers": {name: {"level": "WARNING"} for name in ("openai", "httpx2", "httpcore2")} | {
        # uvicorn brings handlers of its own, and writes tickets: its lines become ours, without queries.
        name: {"handlers": [], "propagate": True, "filters": ["no_queries"]}
        for name in ("uvicorn", "uvicorn.error", "uvicorn.access")},
    "filters": {"no_queries": {"()": "readerai_site.logs.WithoutQueries"}},
}
