"""Questions that scrolled out of the snapshot, page by page over REST."""

import uuid
from datetime import timedelta

from django.test import Client

from classrooms import database
from sessions.models import Interruption
from tests.people import browser, reader, stored


def asked(person, number: int) -> None:
    """Store so many finished questions, each third at the same moment as the one before."""
    now = database.now()
    Interruption.objects.bulk_create(Interruption(
        reading_session=person.reading_session, enrollment=person.enrollment, classroom=person.classroom,
        text=person.reading_session.text, paragraph=1, word_index=5, question_text=f"Question {place}?", state="answered",
        response_text="An answer.", response_type="text", provider="passage_helper",
        created_at=now - timedelta(minutes=place - (place % 3 == 2)), changed_at=now, finished_at=now)
        for place in range(number))


def url_of(person) -> str:
    return f"/api/sessions/{person.reading_session.pk}/interruptions/"


def read_all(person) -> list[list[dict]]:
    """Follow `next` to the end."""
    pages, url = [], url_of(person)
    while url:
        body = browser(person).get(url).json()
        pages.append(body["results"])
        url = body["next"]
    return pages


async def test_all_questions_come_once_newest_first_twenty_at_a_time(alice, bob):
    await stored(asked, alice, 45)
    await stored(asked, bob, 3)
    pages = await stored(read_all, alice)
    assert [len(page) for page in pages] == [20, 20, 5]
    views = [view for page in pages for view in page]
    assert len({view["interruptionId"] for view in views}) == 45
    assert [view["askedAt"] for view in views] == sorted((view["askedAt"] for view in views), reverse=True)
    assert {"questionText", "responseText", "citations", "state"} <= views[0].keys()


async def test_the_pages_go_on_where_the_snapshot_ends(serving_without_engine, alice):
    await stored(asked, alice, 45)
    async with reader(alice) as a:
        shown = a.snapshot["payload"]["interruptions"]
    assert len(shown) == 20
    older = (await stored(browser(alice).get, f"{url_of(alice)}?before={shown[0]['interruptionId']}")).json()["results"]
    assert len(older) == 20 and older[0]["askedAt"] <= shown[0]["askedAt"]
    both = shown[::-1] + older
    every = [view for page in await stored(read_all, alice) for view in page]
    assert [view["interruptionId"] for view in both] == [view["interruptionId"] for view in every][:40]


async def test_only_the_reader_may_page_through_them(alice, bob, mallory, carol):
    await stored(asked, alice, 3)
    await stored(asked, bob, 1)
    his = (await stored(Interruption.objects.get, enrollment=bob.enrollment)).pk
    for person in (bob, mallory, carol):
        assert (await stored(browser(person).get, url_of(alice))).status_code == 404
    assert (await stored(Client().get, url_of(alice))).status_code == 401
    for before in (his, uuid.uuid4(), "x", "1", "%00"):
        assert (await stored(browser(alice).get, f"{url_of(alice)}?before={before}")).status_code == 404
