"""Fixtures: a class with its people, the background that a web process has, the scripted model."""

import asyncio
import dataclasses
import os

import pytest
from asgiref.sync import sync_to_async
from channels.layers import channel_layers
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.cache import caches
from django.db import connections, transaction
from django.test import TransactionTestCase
from xdist.scheduler import LoadScopeScheduling

from classrooms.models import User
from classrooms.services.classes import create_classroom
from classrooms.services.texts import create_text
from readerai_site.durations import Durations
from sessions import events
from sessions.background import Background
from sessions.llm import ranking
from sessions.services import help_card, texts
from sessions.threads import close_lookups
from sessions.writes import close_writer
from tests import people
from tests.scripted_model import ScriptedModel

# Each test client loads the middleware, and each time whitenoise would look at all static files: 66 ms.
django_settings.WHITENOISE_AUTOREFRESH = True
# The suite runs in several processes at once: pytest-django gives each a database, and on Redis each needs its own names.
if django_settings.REDIS_URLS:
    django_settings.CHANNEL_LAYERS["default"]["CONFIG"]["prefix"] += os.environ.get("PYTEST_XDIST_WORKER", "")


class ByFile(LoadScopeScheduling):
    """Keeps a file's tests in one process. The browser's come last, a function at a time, so that all processes end
    together: each has a server and a Chromium for as long as it is given nothing else."""

    def _split_scope(self, nodeid):
        return nodeid.partition("[" if nodeid.startswith("tests/browser/") else "::")[0]


def pytest_xdist_make_scheduler(config, log):
    """Called where the suite runs in several processes."""
    config.option.loadscopereorder = False  # else files go by their number of tests
    return ByFile(config, log)


@pytest.fixture(autouse=True)
def fresh_texts():
    """Texts are remembered by number and revision, which a flushed database gives out again."""
    caches["template_fragments"].clear()
    texts._outline.cache_clear()
    texts.paragraphs.cache_clear()
    help_card.plain_text.cache_clear()
    ranking._indexes.clear()


@pytest.fixture(autouse=True, scope="session")
def wire_types_only():
    """The in-process layer takes only what Redis would take."""
    layer = channel_layers["default"]
    if hasattr(layer, "strict"):
        layer.strict = True


@pytest.fixture(autouse=True, scope="session")
def quick_emptying():
    """After a test, empty the tables that have rows.

    Django's own way empties every table and then makes all content types and permissions anew, which took 60 ms and
    more.
    """
    kept = {ContentType._meta.db_table, Permission._meta.db_table}
    tables = sorted({model._meta.db_table for model in apps.get_models(include_auto_created=True)} - kept)
    ask = " UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {table})" for table in tables)

    def empty(self):
        with transaction.atomic(), connections["default"].cursor() as cursor:  # foreign keys are looked at when it commits
            cursor.execute(ask)
            for (table,) in cursor.fetchall():
                cursor.execute(f"DELETE FROM {table}")

    patched = pytest.MonkeyPatch()
    patched.setattr(TransactionTestCase, "_fixture_teardown", empty)
    yield
    patched.undo()


@pytest.fixture(autouse=True, scope="session")
def closed_pools(django_db_setup):
    """A PostgreSQL database cannot be dropped while a pool holds on to it."""
    yield
    for connection in connections.all():
        connection.close()
        if hasattr(connection, "close_pool"):
            connection.close_pool()


@pytest.fixture
def quick_hashing(settings):
    """New passwords and PINs are hashed in no time, for tests that make many; old ones still open."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *settings.PASSWORD_HASHERS]


@pytest.fixture
def school(transactional_db):
    """carol's class with alice and bob; trent's with mallory. Both read the same story."""
    def teacher(name):
        return User.objects.create(username=name, password=people.hashed("correct horse"), role=User.Role.TEACHER)

    carol, trent = teacher("carol"), teacher("trent")
    classroom, elsewhere = create_classroom(teacher=carol, name="7B"), create_classroom(teacher=trent, name="8A")
    story = create_text(owner=carol, raw=people.STORY, level="ages 9 to 11", classrooms=[classroom, elsewhere])
    school = {
        "carol": people.Person(carol, classroom, people.log_in(carol)),
        "trent": people.Person(trent, elsewhere, people.log_in(trent)),
        "alice": people.seat(classroom, "alice", story),
        "bob": people.seat(classroom, "bob", story),
        "mallory": people.seat(elsewhere, "mallory", story),
        "story": story,
    }
    return school


@pytest.fixture
def alice(school):
    return school["alice"]


@pytest.fixture
def bob(school):
    return school["bob"]


@pytest.fixture
def carol(school):
    return school["carol"]


@pytest.fixture
def mallory(school):
    return school["mallory"]


@pytest.fixture
def trent(school):
    return school["trent"]


@pytest.fixture
def story(school):
    return school["story"]


@pytest.fixture
def office(school):
    """The browser of the school's administrator, who teaches nobody."""
    return people.browser(people.Person(
        User.objects.create_superuser("office", password=None), None, people.log_in(User.objects.get(username="office"))))


@pytest.fixture
def staff(carol):
    """carol's browser, now that she may see the administration of her own class."""
    carol.user.is_staff = True
    carol.user.save()
    return people.browser(carol)


@pytest.fixture
def quick(settings):
    """A tenth of every duration that a test would otherwise wait out."""
    settings.DURATIONS = Durations().scaled(0.1)
    return settings.DURATIONS


@pytest.fixture
def swift(settings):
    """A pulse that beats twenty times a second, while nothing else expires any sooner."""
    settings.DURATIONS = dataclasses.replace(Durations(), pulse=0.05, heatmap=0.1)
    return settings.DURATIONS


@pytest.fixture
def deaf(monkeypatch):
    """A channel layer that loses every push it is given."""
    async def lose(group, frames, *, exclude=""):
        """Take the frames and forget them."""

    monkeypatch.setattr(events, "push", lose)


@pytest.fixture
async def serving(school, settings):
    """What runs beside the requests of a web process, engine included."""
    background = Background(embedded_engine=True)
    await background.start()
    yield background
    await background.stop(drain=1)
    await close_loop_resources()


@pytest.fixture
async def serving_without_engine(school, settings):
    """A web process whose tutor lives elsewhere: questions stay where they are."""
    background = Background(embedded_engine=False)
    await background.start()
    yield background
    await background.stop(drain=1)
    await close_loop_resources()


async def close_loop_resources():
    """Close what belongs to this event loop: layer connections, the database connections of its threads. A socket that
    ended last may have made the threads anew."""
    await close_writer()
    await close_lookups()
    await channel_layers["default"].flush()
    await sync_to_async(connections.close_all)()
    await asyncio.sleep(0)


@pytest.fixture
def model(settings):
    """The scripted model, with the tutor pointed at it."""
    with ScriptedModel() as model:
        settings.TUTOR_PROVIDER = "openai"
        settings.OPENAI_BASE_URL = model.url
        settings.OPENAI_API_KEY = "test"
        yield model
