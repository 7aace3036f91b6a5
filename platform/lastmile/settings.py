"""Settings. What differs between installations is in lastmile.environment (docs/reference/settings.md)."""

from __future__ import annotations

from pathlib import Path

from lastmile import environment

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parents[1]

DEBUG = environment.flag("LASTMILE_DEBUG")
# Seeds the class "demo" and prints its passwords on the sign-in page. `make up` turns it on.
DEMO = environment.flag("LASTMILE_DEMO")
SECRET_KEY = environment.secret_key()
ALLOWED_HOSTS = environment.words("LASTMILE_HOSTS", "127.0.0.1,localhost,[::1]")
CSRF_TRUSTED_ORIGINS = environment.words("LASTMILE_ORIGINS")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "lastmile.accounts",
    "lastmile.classroom",
    "lastmile.course",
    "lastmile.practice",
    "lastmile.skills",
    "lastmile.api",
    "lastmile.embedded",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "lastmile.security.headers",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "lastmile.urls"
ASGI_APPLICATION = "lastmile.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [PACKAGE / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.template.context_processors.csrf",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "lastmile.classroom.context.classes",
                "lastmile.course.context.site",
            ],
        },
    }
]

DATABASES = {"default": environment.database()}
# The site answers each request in a thread of its own; a pool spares it a new connection every time.
if environment.flag("LASTMILE_POOL"):
    DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 2, "max_size": 16, "timeout": 10}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = environment.redis_url()

AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"
# scrypt: as hard to guess as the default and several times quicker to check on two cores.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", "中文"), ("en", "English")]
LANGUAGE_COOKIE_NAME = "lastmile_language"
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_AGE = 31_536_000
LOCALE_PATHS = [PACKAGE / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "Asia/Shanghai"

STATIC_URL = "/static/"
STATICFILES_DIRS = [PACKAGE / "static"]

# Behind a proxy that ends TLS: LASTMILE_HTTPS=1 makes cookies Secure and trusts X-Forwarded-Proto.
HTTPS = environment.flag("LASTMILE_HTTPS")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = HTTPS
SESSION_COOKIE_NAME = "lastmile_session"
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_NAME = "lastmile_csrf"
X_FRAME_OPTIONS = "SAMEORIGIN"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"

# A submission is at most 4 MiB of archive; the harness has limits of its own for what is inside.
SUBMISSION_MAX_BYTES = 4 << 20
DATA_UPLOAD_MAX_MEMORY_SIZE = SUBMISSION_MAX_BYTES + (1 << 16)
FILE_UPLOAD_MAX_MEMORY_SIZE = SUBMISSION_MAX_BYTES
# What is longer is not even read; what is shorter is told in words of its own.
REQUEST_MAX_BYTES = 4 * SUBMISSION_MAX_BYTES
RUNS_PER_HOUR = environment.number("LASTMILE_RUNS_PER_HOUR", 60)

# A worker says that it lives every HEARTBEAT_SECONDS; one quiet for QUIET_SECONDS has lost its run.
HEARTBEAT_SECONDS = 2.0
QUIET_SECONDS = 10.0
# What broke us may be passing: seconds before the second and the third try.
PAUSES_BETWEEN_TRIES = (2.0, 8.0)
REPUBLISH_SECONDS = 30.0

LABS = ROOT / "labs"

CELERY_BROKER_URL = environment.broker_url()

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "django.server": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
    },
}
