"""`manage.py demo`: the demo class with texts, students, reading histories and questions, made once."""

import uuid
from datetime import timedelta

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from classrooms import demo
from classrooms.database import transaction
from classrooms.models import Enrollment, Text, User
from classrooms.services.classes import create_classroom
from classrooms.services.doors import enroll
from classrooms.services.texts import create_text
from sessions import llm, messages
from sessions.llm.citations import find_citations
from sessions.models import Interruption, ReadingSession
from sessions.providers import HELPER, make_provider
from sessions.services import texts

# nickname: (text, how far of it, [(how far when asking, question)…])
HISTORIES = {
    "bob": ("the-lighthouse-keeper", 0.62, [
        (0.2, "What is a pangram?"), (0.4, "Why does the lens float?"), (0.62, "What does a fixed light mean?")]),
    "Mia": ("the-lighthouse-keeper", 0.35, [(0.1, "What is a relief boat?"), (0.3, "What is mercury?")]),
    "Omar": ("how-bread-rises", 0.8, [(0.3, "What is yeast?"), (0.6, "What is gluten?"), (0.7, "What is fermentation?")]),
    "Jun": ("a-burrow-is-a-home", 1.0, [(0.25, "What is a burrow?"), (0.4, "What is a warren?")]),
    "Noor": ("the-map-of-the-drowned-street", 0.45, [(0.12, "Who drew the map?"), (0.3, "Why was the street under water?")]),
    "Teo": ("how-bread-rises", 0.25, []),
}


class Command(BaseCommand):
    help = "Make the demo class (teacher carol, eight students, four texts) unless it is there."

    def handle(self, **options):
        if demo.accounts() is None:
            if User.objects.exists():
                return self.stdout.write("This installation has people already; no demo class was added.")
            self._make()
        if not settings.SIGN_UP:  # others reach the site, and are no teachers: nor shall they be this one
            demo.hide_teacher()
        self._print(demo.accounts())

    @transaction()
    def _make(self):
        """All of it or nothing: half a class would look like people who are here already."""
        teacher = User(username=demo.TEACHER["username"], role=User.Role.TEACHER)
        teacher.set_password(demo.TEACHER["password"])
        teacher.save()
        classroom = create_classroom(teacher=teacher, name="7B")
        for slug, level in demo.TEXTS.items():
            create_text(owner=teacher, raw=demo.raw_text(slug), level=level, classrooms=[classroom])
        titles = dict(zip(demo.TEXTS, Text.objects.order_by("pk"), strict=True))
        enrollments = {nickname: enroll(classroom, nickname=nickname, pin=pin)
                       for nickname, pin in demo.STUDENTS.items()}
        for days, (nickname, (slug, share, questions)) in enumerate(HISTORIES.items()):
            self._read(enrollments[nickname], titles[slug], share=share, questions=questions, days=days)
        demo.note(classroom=classroom.pk)

    def _read(self, enrollment: Enrollment, text: Text, *, share: float, questions: list, days: int):
        """Give a student a history: a place in a text, and questions that the passage helper answered on the way."""
        last = timezone.now() - timedelta(days=days, minutes=11)
        word_index = min(text.word_count - 1, int(text.word_count * share))
        with transaction():
            reading_session = ReadingSession.objects.create(
                enrollment=enrollment, text=text, word_index=word_index, furthest_word_index=word_index, rev=7,
                status="finished" if share == 1 else "away", active_seconds=int(word_index / 2.2),
                connected_at=last, last_seen=last, last_activity=last, version=2 * len(questions))
            Interruption.objects.bulk_create(
                self._asked(reading_session, question, int(text.word_count * place), last - timedelta(minutes=9 - number))
                for number, (place, question) in enumerate(questions))

    @staticmethod
    def _asked(reading_session: ReadingSession, question: str, word_index: int, at) -> Interruption:
        text = reading_session.text
        request = llm.TutorRequest(
            question=question, paragraphs=texts.paragraphs(text.pk, text.revision),
            text_key=f"{text.pk}:{text.revision}", word_index=word_index, furthest_word_index=word_index,
            visible_to_word=texts.end_of_page(text, word_index), reading_level=text.level,
            language=settings.LANGUAGE_CODE, title=text.title)
        answer, type = make_provider(HELPER).answer(request)
        citations = [messages.Citation(
            paragraph=found.paragraph, quote=found.quote, from_word_index=found.from_word_index,
            to_word_index=found.to_word_index, verified=found.verified,
        ).model_dump(mode="json", by_alias=True, exclude_none=True)
            for found in find_citations(answer, request.paragraphs, request.visible_to_word)]
        return Interruption(
            id=uuid.uuid4(), reading_session=reading_session, enrollment=reading_session.enrollment,
            classroom=reading_session.enrollment.classroom, text=text, word_index=word_index,
            paragraph=texts.outline(text).paragraph_at(word_index), question_text=question, state="answered",
            attempt=1, provider=HELPER, response_text=answer, response_type=type, citations=citations,
            created_at=at, changed_at=at, claimed_at=at, finished_at=at + timedelta(seconds=2))

    def _print(self, accounts: dict):
        code = accounts["students"][0]["code"]
        students = ", ".join(f"{s['nickname']} {s['pin']}" for s in accounts["students"])
        self.stdout.write(
            f"The demo class 7B\n  teacher   {accounts['teacher']['username']} / {accounts['teacher']['password']}\n"
            f"  students  code {code}, nickname and PIN: {students}")
