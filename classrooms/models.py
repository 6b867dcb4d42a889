"""People, classes and texts. Reading itself lives in `sessions`, which may import this; never the reverse."""

import secrets

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from classrooms.database import transaction

# Without 0/O, 1/I/L: a code is read off a projector and typed by a child.
CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
CODE_LENGTH = 8


def new_code() -> str:
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))


def new_student_username() -> str:
    return f"s-{secrets.token_hex(12)}"


class User(AbstractUser):
    """A teacher logs in with a password. A student's username is random, never shown, the password unusable."""

    class Role(models.TextChoices):
        TEACHER = "teacher", _("teacher")
        STUDENT = "student", _("student")

    role = models.CharField(_("role"), max_length=10, choices=Role, default=Role.TEACHER)
    email_confirmed = models.BooleanField(
        _("address confirmed"), default=False, db_default=False,
        help_text=_("They opened a link that was sent there. By such an address colleagues find each other."))

    def __str__(self):
        return gettext("student %(number)s") % {"number": self.pk} if self.is_student else self.username

    def save(self, *args, **kwargs):
        """Save, and in the same transaction end what a new password or a disabled account ends."""
        with transaction():
            super().save(*args, **kwargs)

    @property
    def is_teacher(self) -> bool:
        return self.role == self.Role.TEACHER

    @property
    def is_student(self) -> bool:
        return self.role == self.Role.STUDENT


class Text(models.Model):
    """A text that teachers give to classes. Its words are in `passages`, split by `importing`.

    `revision` grows whenever the words change; an index of a word counts in one revision.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="texts", verbose_name=_("owner"))
    title = models.CharField(_("title"), max_length=200)
    author = models.CharField(_("author"), max_length=200, blank=True)
    level = models.CharField(_("reading level"), max_length=60, blank=True, help_text=_("For example: ages 9 to 11"))
    format = models.CharField(_("format"), max_length=10, default="plain",
                              choices=[("plain", _("plain text")), ("markdown", _("Markdown"))])
    revision = models.PositiveIntegerField(_("revision"), default=1)
    word_count = models.PositiveIntegerField(_("words"))
    page_starts = models.JSONField(_("first word of each page"))
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        ordering = ["title"]
        verbose_name = _("text")
        verbose_name_plural = _("texts")

    def __str__(self):
        return self.title

    @property
    def page_count(self) -> int:
        return len(self.page_starts)

    def page_end(self, page: int) -> int:
        """Return the index just past the last word of a page, which counts from 1."""
        return self.page_starts[page] if page < self.page_count else self.word_count


class TextSource(models.Model):
    """A text as it was pasted or uploaded, to be edited and imported anew.

    Apart from `Text`, because every write of every reader loads its text's row: with a novel's 150 KB in it a commit
    of 64 writes took 71 ms instead of 16.
    """

    text = models.OneToOneField(Text, models.CASCADE, primary_key=True, related_name="source")
    body = models.TextField()


class Passage(models.Model):
    """A heading, paragraph, list item or quotation of a text, in order.

    `number` counts all but headings from 1; a heading has 0. `level` is a heading's depth below its chapter's, which
    is 1, and how deep an item or quotation lies in others (1 is outermost); 0 for paragraphs. `ordinal` is the number
    an item of a numbered list shows, else 0. `marks` are [first word, last word, "em" | "strong"], counted from the
    passage's first word, both included.
    """

    text = models.ForeignKey(Text, models.CASCADE, related_name="passages")
    kind = models.CharField(max_length=10, choices=[
        ("heading", _("heading")), ("paragraph", _("paragraph")), ("item", _("list item")), ("quote", _("quotation"))])
    body = models.TextField()
    number = models.PositiveIntegerField()
    chapter = models.PositiveIntegerField()
    page = models.PositiveIntegerField()
    first_word = models.PositiveIntegerField()
    word_count = models.PositiveIntegerField()
    level = models.PositiveSmallIntegerField(default=0, db_default=0)
    ordinal = models.PositiveIntegerField(default=0, db_default=0)
    marks = models.JSONField(default=list, db_default=[])

    class Meta:
        ordering = ["first_word"]
        constraints = [models.UniqueConstraint(fields=["text", "first_word"], name="passage_place")]
        indexes = [models.Index(fields=["text", "page"])]


class Classroom(models.Model):
    """A class. `version` counts what was said to all of it: see the fourth promise in docs/architecture.md."""

    name = models.CharField(_("name"), max_length=100)
    code = models.CharField(_("code"), max_length=CODE_LENGTH, unique=True, default=new_code)
    is_open = models.BooleanField(_("students may join"), default=True)
    teachers = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="classrooms", verbose_name=_("teachers"))
    texts = models.ManyToManyField(Text, related_name="classrooms", blank=True, verbose_name=_("texts"))
    ai_enabled = models.BooleanField(_("AI answers"), default=True)
    daily_questions = models.PositiveIntegerField(
        _("AI answers a day"), null=True, blank=True,
        help_text=_("For the whole class; after that the passage helper answers. Empty: no limit."))
    archived_at = models.DateTimeField(_("archived"), null=True, blank=True)
    paused = models.BooleanField(_("paused"), default=False)
    focus_text = models.ForeignKey(Text, models.SET_NULL, null=True, blank=True, related_name="+")
    focus_word_index = models.PositiveIntegerField(null=True, blank=True)
    version = models.PositiveBigIntegerField(default=0, editable=False)
    served_at = models.DateTimeField(null=True, editable=False)  # when the tutor last took a question of this class
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("classroom")
        verbose_name_plural = _("classrooms")

    def __str__(self):
        return self.name

    @property
    def code_display(self) -> str:
        """The code as people read it: KM4T-9XPA."""
        return f"{self.code[:4]}-{self.code[4:]}"


class Enrollment(models.Model):
    """A student's place in one class: the nickname others there know, and the PIN that opens it again."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="enrollments")
    classroom = models.ForeignKey(Classroom, models.CASCADE, related_name="enrollments")
    nickname = models.CharField(_("nickname"), max_length=40)
    nickname_key = models.CharField(max_length=200, editable=False)
    pin = models.CharField(max_length=128, editable=False)
    removed_at = models.DateTimeField(_("removed"), null=True, blank=True)
    created_at = models.DateTimeField(_("joined"), auto_now_add=True)

    class Meta:
        ordering = ["nickname_key"]
        verbose_name = _("enrollment")
        verbose_name_plural = _("enrollments")
        constraints = [
            models.UniqueConstraint(fields=["classroom", "nickname_key"], name="enrollment_nickname"),
            models.UniqueConstraint(fields=["classroom", "user"], name="enrollment_user"),
        ]

    def __str__(self):
        return self.nickname


class AttemptCount(models.Model):
    """Guesses at one code, PIN or password in the window that began at `since`; counted before anything is hashed.

    `subject` is a digest of the account that was guessed at, so that an administrator can open it again wherever the
    guesses came from; "" where there is none.
    """

    key = models.CharField(max_length=64, primary_key=True)
    kind = models.CharField(_("kind"), max_length=20, default="", db_default="")
    subject = models.CharField(max_length=64, default="", db_default="", db_index=True)
    count = models.PositiveIntegerField(_("guesses"))
    since = models.DateTimeField(_("since"))

    class Meta:
        verbose_name = _("count of guesses")
        verbose_name_plural = _("counts of guesses")
