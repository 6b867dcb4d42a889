"""Settings as an installation meets them: fresh processes with their own environment and data folder."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHOW = """
import json
from django.conf import settings
names = {names!r}
print(json.dumps({{name: getattr(settings, name) for name in names}}, default=str))
"""
PUBLIC = {"PUBLIC_ORIGINS": "https://read.school.example", "BEHIND_PROXY": "1"}


def python(*arguments: str, data_dir: Path, **environment: str) -> subprocess.Popen:
    """Start a process that sees nothing of this one's configuration."""
    clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "SYSTEMROOT") if name in os.environ}
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**clean, "DJANGO_SETTINGS_MODULE": "readerai_site.settings", "DATA_DIR": str(data_dir), **environment})


def shown(*names: str, data_dir: Path, **environment: str) -> dict:
    out, errors = python("-c", SHOW.format(names=names), data_dir=data_dir, **environment).communicate(timeout=60)
    assert out, errors
    return json.loads(out)


def test_the_key_is_made_once_for_its_owner_only(tmp_path):
    data_dir = tmp_path / "deep" / "var"
    racing = [python("-c", SHOW.format(names=["SECRET_KEY"]), data_dir=data_dir) for _ in range(4)]
    keys = {json.loads(process.communicate(timeout=60)[0])["SECRET_KEY"] for process in racing}
    path = data_dir / "secret_key"
    assert keys == {path.read_text()} and len(path.read_text()) == 50
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(entry.name for entry in data_dir.iterdir()) == ["secret_key", "static"]


def test_a_key_from_the_environment_leaves_no_file(tmp_path):
    assert shown("SECRET_KEY", data_dir=tmp_path, SECRET_KEY="from outside")["SECRET_KEY"] == "from outside"
    assert not (tmp_path / "secret_key").exists()


def test_a_clone_runs_on_plain_http_in_one_process(tmp_path):
    settings = shown("DEBUG", "ALLOWED_HOSTS", "SESSION_COOKIE_SECURE", "SECURE_HSTS_SECONDS", "SECURE_SSL_REDIRECT",
                     "TUTOR_EMBEDDED", "TUTOR_PROVIDER", "CHANNEL_LAYERS", data_dir=tmp_path)
    assert settings.pop("CHANNEL_LAYERS")["default"]["BACKEND"] == "readerai_site.layer.InProcessChannelLayer"
    assert settings.pop("ALLOWED_HOSTS")[:3] == ["localhost", "127.0.0.1", "[::1]"]
    assert settings == {"DEBUG": False, "SESSION_COOKIE_SECURE": False, "SECURE_HSTS_SECONDS": 0,
                        "SECURE_SSL_REDIRECT": False, "TUTOR_EMBEDDED": True, "TUTOR_PROVIDER": "passage_helper"}


@pytest.mark.parametrize("environment", [PUBLIC, {"HTTPS": "1"}], ids=["public origin", "https"])
def test_https_makes_cookies_secure(tmp_path, environment):
    settings = shown("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS",
                     data_dir=tmp_path, **environment)
    assert settings == {"SESSION_COOKIE_SECURE": True, "CSRF_COOKIE_SECURE": True, "SECURE_SSL_REDIRECT": True,
                        "SECURE_HSTS_SECONDS": 31_536_000}


def test_a_public_site_answers_to_its_own_name_only(tmp_path):
    settings = shown("ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "SECURE_PROXY_SSL_HEADER", data_dir=tmp_path, **PUBLIC)
    assert settings == {"ALLOWED_HOSTS": ["read.school.example"], "CSRF_TRUSTED_ORIGINS": ["https://read.school.example"],
                        "SECURE_PROXY_SSL_HEADER": ["HTTP_X_FORWARDED_PROTO", "https"]}


@pytest.mark.parametrize("environment", [PUBLIC, {"HTTPS": "1", "HOST": "0.0.0.0"}], ids=["behind a proxy", "by itself"])
def test_djangos_deployment_check_finds_nothing(tmp_path, environment):
    checked = python("manage.py", "check", "--deploy", "--fail-level", "WARNING", data_dir=tmp_path, **environment)
    out, errors = checked.communicate(timeout=60)
    assert checked.returncode == 0, errors
    assert "no issues" in out + errors


@pytest.mark.parametrize("environment", [
    PUBLIC, {"HTTPS": "1"}, {"BEHIND_PROXY": "1"}, {"HOST": "0.0.0.0"}, {"ALLOWED_HOSTS": "reader.school"}],
    ids=["public", "https", "proxy", "a classroom's network", "another name"])
def test_debug_is_for_oneself_alone(tmp_path, environment):
    refused = python("manage.py", "check", data_dir=tmp_path, DEBUG="1", **environment)
    _, errors = refused.communicate(timeout=60)
    assert refused.returncode != 0 and "leave it unset where others reach the site" in errors


def test_debug_is_not_served_to_a_network(tmp_path):
    refused = python("manage.py", "serve", "--host", "0.0.0.0", "--port", "0", data_dir=tmp_path, DEBUG="1")
    _, errors = refused.communicate(timeout=60)
    assert refused.returncode == 1 and "leave it unset where others reach the site" in errors


def test_an_origin_may_end_in_a_slash(tmp_path):
    """As it is copied from a browser; no socket would open and no form would be taken."""
    settings = shown("PUBLIC_ORIGINS", "CSRF_TRUSTED_ORIGINS", "ALLOWED_HOSTS", data_dir=tmp_path,
                     PUBLIC_ORIGINS="https://read.school.example/")
    assert settings == {"PUBLIC_ORIGINS": ["https://read.school.example"], "ALLOWED_HOSTS": ["read.school.example"],
                        "CSRF_TRUSTED_ORIGINS": ["https://read.school.example"]}


def test_several_processes_are_chosen_by_two_variables(tmp_path):
    settings = shown("DATABASES", "CHANNEL_LAYERS", "TUTOR_EMBEDDED", data_dir=tmp_path, REDIS_URL="redis://one,redis://two",
                     DATABASE_URL="postgres://reader:secret@db.example:5433/school")
    database = settings["DATABASES"]["default"]
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("db.example", 5433, "school")
    assert database["CONN_MAX_AGE"] == 0 and database["OPTIONS"]["pool"]["max_size"] == 16
    assert settings["CHANNEL_LAYERS"]["default"]["CONFIG"]["hosts"] == ["redis://one", "redis://two"]
    assert settings["TUTOR_EMBEDDED"] is False


def test_the_key_of_a_model_turns_the_tutor_on(tmp_path):
    assert shown("TUTOR_PROVIDER", data_dir=tmp_path, OPENAI_API_KEY="sk-test")["TUTOR_PROVIDER"] == "openai"
    assert shown("TUTOR_PROVIDER", data_dir=tmp_path, OPENAI_API_KEY="sk-test", TUTOR_PROVIDER="passage_helper")[
        "TUTOR_PROVIDER"] == "passage_helper"


@pytest.mark.parametrize(("environment", "open_door", "letters"), [
    ({}, True, "console"), ({"HOST": "0.0.0.0"}, False, "console"),
    ({"PUBLIC_ORIGINS": "https://read.school.example"}, False, "dummy"),
    ({"HTTPS": "1"}, False, "dummy"),
    ({**PUBLIC, "SIGN_UP": "1", "EMAIL_HOST": "mail.example"}, True, "smtp"),
], ids=["clone", "classroom", "public", "https", "with e-mail"])
def test_strangers_make_accounts_and_letters_leave_only_where_that_was_meant(tmp_path, environment, open_door, letters):
    settings = shown("SIGN_UP", "EMAIL_BACKEND", "SENDS_EMAIL", data_dir=tmp_path, **environment)
    assert settings == {"SIGN_UP": open_door, "SENDS_EMAIL": letters != "dummy",
                        "EMAIL_BACKEND": f"django.core.mail.backends.{letters}.EmailBackend"}


@pytest.mark.parametrize(("environment", "tls", "ssl"), [
    ({}, True, False), ({"EMAIL_PORT": "465"}, False, True), ({"EMAIL_TLS": "0"}, False, False)])
def test_letters_travel_encrypted_unless_told_otherwise(tmp_path, environment, tls, ssl):
    settings = shown("EMAIL_USE_TLS", "EMAIL_USE_SSL", data_dir=tmp_path, EMAIL_HOST="mail.example", **PUBLIC, **environment)
    assert settings == {"EMAIL_USE_TLS": tls, "EMAIL_USE_SSL": ssl}


def test_letters_need_the_address_their_links_lead_to(tmp_path):
    refused = python("manage.py", "check", data_dir=tmp_path, EMAIL_HOST="mail.example")
    _, errors = refused.communicate(timeout=60)
    assert refused.returncode != 0 and "EMAIL_HOST needs PUBLIC_ORIGINS" in errors
