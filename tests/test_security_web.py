"""What every answer of the site carries, what a guess costs, what a public site refuses to start with."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import hashers
from django.db import connection
from django.test import Client

from sessions.providers import make_provider
from tests.matrix import ROWS
from tests.people import browser
from tests.test_matrix import ask, cast, everything  # noqa: F401 - a fixture
from tests.test_settings import PUBLIC, python

CSP = {"default-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"}
ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("role", ["anonymous", "alice", "carol", "staff", "superuser"])
def test_every_answer_says_what_it_may_load_and_is_kept_by_nobody(cast, role):  # noqa: F811
    client = browser(cast.people[role])
    for row in [row for row in ROWS if row.method == "GET"]:
        response = ask(client, row, cast.ids["alice"])
        where = f"{response.status_code} /{row.route}"
        assert set(response["Content-Security-Policy"].split("; ")) == CSP, where
        assert (response["X-Frame-Options"], response["X-Content-Type-Options"]) == ("DENY", "nosniff"), where
        assert response["Referrer-Policy"] == "same-origin", where
        if role != "anonymous" and "jsi18n" not in row.route:
            assert "no-store" in response["Cache-Control"], where


@pytest.mark.parametrize("role", ["anonymous", "alice", "carol", "superuser"])
def test_nothing_is_written_without_the_token_of_a_page(cast, role):  # noqa: F811
    """Whatever a person may write, another site cannot write for them. A token for programs is asked for with a password."""
    rows = [row for row in ROWS if row.method != "GET" and row.expected(role, 0) == row.ok
            and not re.fullmatch(r"api/(v1/)?token/", row.route)]
    assert len(rows) >= 8
    before = everything()
    for row in rows:
        client = Client(enforce_csrf_checks=True)
        if cast.people[role]:
            client.cookies["sessionid"] = cast.people[role].cookie
        assert ask(client, row, cast.ids["alice"]).status_code == 403, f"{row.method} /{row.route}"
        assert everything() == before


def test_only_staff_get_pages_of_the_api_and_those_alone_may_hold_styles(cast):  # noqa: F811
    for role in ("carol", "staff"):
        response = browser(cast.people[role]).get("/api/v1/", headers={"Accept": "text/html"})
        assert response["Content-Type"].startswith("text/html") == (role == "staff")
        parts = set(response["Content-Security-Policy"].split("; "))
        assert parts - CSP == ({"style-src 'self' 'unsafe-inline'"} if role == "staff" else set())
        assert CSP <= parts


@pytest.fixture
def evaluated(monkeypatch, settings):
    """The secrets that were hashed, whether to be compared or to take as long."""
    secrets, lock = [], threading.Lock()
    encode = hashers.Argon2PasswordHasher.encode
    verify = hashers.Argon2PasswordHasher.verify

    def note(secret):
        with lock:
            secrets.append(secret)

    def noting_encode(self, password, salt):
        note(password)
        return encode(self, password, salt)

    def noting_verify(self, password, encoded):
        note(password)
        return verify(self, password, encoded)

    monkeypatch.setattr(hashers.Argon2PasswordHasher, "encode", noting_encode)
    monkeypatch.setattr(hashers.Argon2PasswordHasher, "verify", noting_verify)
    return secrets


def log_in(username, password="wrong", **extra):
    return Client().post("/login/", {"username": username, "password": password}, **extra)


def test_of_a_hundred_parallel_wrong_passwords_six_are_evaluated(carol, evaluated, settings):
    """Counted before it is hashed. A count after it, as libraries keep it, let 22 to 48 of these through."""
    def guess(number):
        try:
            return log_in("carol", f"wrong {number}").status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as threads:
        statuses = list(threads.map(guess, range(100)))
    assert len(evaluated) == settings.LIMITS.password_attempts == 6
    assert (statuses.count(400), statuses.count(429)) == (6, 94)


def test_an_unknown_name_costs_what_a_known_one_does(carol, alice, evaluated):
    carol.user.is_active = True
    for name in ("carol", "nobody", alice.user.username):
        evaluated.clear()
        assert log_in(name, REMOTE_ADDR=f"192.0.2.{len(name)}").status_code == 400
        assert len(evaluated) == 1, name  # a student's unusable password: Django hashes one of its own making


def test_a_disabled_account_is_told_the_same_for_the_same_work(carol, evaluated):
    carol.user.is_active = False
    carol.user.save()
    assert log_in("carol", "correct horse").status_code == 400
    assert evaluated == ["correct horse"]


def test_passwords_and_pins_are_hashed_by_argon2(carol, alice):
    assert carol.user.password.startswith("argon2$argon2id$") and alice.enrollment.pin.startswith("argon2$argon2id$")
    assert django_settings.PASSWORD_HASHERS[0] == "django.contrib.auth.hashers.Argon2PasswordHasher"


@pytest.mark.parametrize("environment", [PUBLIC, {"HTTPS": "1"}, {"BEHIND_PROXY": "1"}, {"HOST": "0.0.0.0"}],
                         ids=["public", "https", "proxy", "a classroom's network"])
@pytest.mark.parametrize("key", ["changeme", "…", "a" * 60, "django-insecure-" + "abcdefghij" * 5])
def test_a_site_for_others_refuses_a_key_that_can_be_guessed(tmp_path, environment, key):
    refused = python("manage.py", "check", data_dir=tmp_path, SECRET_KEY=key, **environment)
    _, errors = refused.communicate(timeout=60)
    assert refused.returncode != 0 and "SECRET_KEY can be guessed" in errors and key not in errors


def test_no_key_stands_in_the_repository():
    """There is no default to forget: each installation makes its own."""
    settings_file = (ROOT / "readerai_site" / "settings.py").read_text()
    assert "SECRET_KEY = secret_key()" in settings_file and "get_random_secret_key()" in settings_file


def test_the_models_address_comes_from_the_environment_only(settings):
    """No page, no row and no message can send a class's questions elsewhere: nobody else knows of an address at all."""
    settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = "sk-of-the-school", "http://model.school.example/v1"
    client = make_provider("openai")._client
    assert (client.api_key, str(client.base_url)) == ("sk-of-the-school", "http://model.school.example/v1/")
    naming = re.compile(r"\b(?:base_url|api_key|OPENAI_BASE_URL|OPENAI_API_KEY)\b")
    assert {path.name for app in ("classrooms", "sessions", "readerai_site") for path in (ROOT / app).rglob("*.py")
            if naming.search(path.read_text())} == {"settings.py", "providers.py", "openai_tutor.py"}
    assert 'OPENAI_BASE_URL = os.environ.get("OPENAI_BASE_URL", "")' in (ROOT / "readerai_site/settings.py").read_text()


def test_templates_trust_no_text():
    """Nothing is marked as safe HTML, so what models and people wrote can only be shown as text."""
    unsafe = [path.name for path in (ROOT / "templates").rglob("*.html")
              if "|safe" in path.read_text() or "autoescape off" in path.read_text()]
    unsafe += [path.name for app in ("classrooms", "sessions", "readerai_site") for path in (ROOT / app).rglob("*.py")
               if any(way in path.read_text() for way in ("mark_safe", "SafeString", "__html__"))]
    assert unsafe == []
    scripts = [path.name for path in (ROOT / "static" / "js").rglob("*.js")
               if any(way in path.read_text() for way in (
                   ".innerHTML", ".outerHTML =", "insertAdjacentHTML", "createContextualFragment", "setHTML",
                   "srcdoc", "document.write", "eval("))]
    assert scripts == []
