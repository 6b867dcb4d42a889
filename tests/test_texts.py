"""A text on its way into a class: pasted or uploaded, in whatever letters, or refused with nothing stored."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from classrooms.models import Passage, Text
from tests.people import browser

BODY = "The Hen\n\nA hen stood in the yard.\n\n“Café,” said the hen, “is no word of mine.”\n"


@pytest.fixture
def add(carol):
    """Return a function that sends the form as carol; `upload` is a file's bytes."""
    client = browser(carol)

    def send(upload=None, name="hen.txt", **fields):
        fields = {"step": "save"} | fields
        if upload is not None:
            fields["file"] = SimpleUploadedFile(name, upload, content_type="text/plain")
        return client.post(f"/classes/{carol.classroom.pk}/texts/new/", fields)

    return send


def stored() -> tuple[int, int]:
    return Text.objects.count(), Passage.objects.count()


def test_a_pasted_text_is_split_and_given_to_the_class(add, carol):
    response = add(body=BODY, level="ages 6 to 8", revision="9", owner="1", word_count="1")
    assert response["Location"] == f"/classes/{carol.classroom.pk}/"
    text = Text.objects.get(title="The Hen")
    assert (text.owner, text.level, text.revision) == (carol.user, "ages 6 to 8", 1)
    assert list(text.classrooms.all()) == [carol.classroom]
    passages = list(text.passages.all())
    assert [passage.body for passage in passages] == [
        "The Hen", "A hen stood in the yard.", "“Café,” said the hen, “is no word of mine.”"]
    assert text.word_count == sum(len(passage.body.split()) for passage in passages)
    assert [passage.first_word for passage in passages] == [0, 2, 8]


@pytest.mark.parametrize("encoded", [
    BODY.encode(), b"\xef\xbb\xbf" + BODY.encode(), BODY.replace("\n", "\r\n").encode(), BODY.replace("\n", "\r").encode(),
    BODY.encode("utf-16"), BODY.encode("cp1252"), BODY.replace("é", "e\u0301").encode(),
], ids=["utf-8", "bom", "crlf", "cr", "utf-16", "cp1252", "decomposed"])
def test_an_upload_reads_the_same_in_every_encoding(add, encoded):
    assert add(encoded).status_code == 302
    text = Text.objects.get(title="The Hen")
    assert [passage.body for passage in text.passages.all()] == [
        "The Hen", "A hen stood in the yard.", "“Café,” said the hen, “is no word of mine.”"]


@pytest.mark.parametrize(("upload", "says"), [
    (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 8, "not a plain text file"),
    (b"PK\x03\x04" + bytes(range(256)) * 8, "not a plain text file"),
    (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(range(256)) * 8, "not a plain text file"),
    (b"", "empty"),
    (b" \n\t \xef\xbb\xbf \n", "nothing to read"),
    ("\u200b\u200b* * *".encode(), "nothing to read"),
], ids=["png", "zip", "pdf", "empty", "blanks", "only marks"])
def test_what_is_no_text_is_refused_and_nothing_is_stored(add, upload, says):
    before = stored()
    response = add(upload, title="Mine")
    assert response.status_code == 400
    assert says in response.content.decode()
    assert stored() == before


def test_nothing_at_all_is_refused(add):
    assert add(title="Mine").status_code == 400
    assert add(body="   ").status_code == 400
    assert stored()[0] == 1


def test_a_file_over_5_mb_is_refused_for_its_size(add, settings):
    before = stored()
    response = add(b"A hen. " * (settings.LIMITS.upload_bytes // 7 + 1), title="Too much")
    assert response.status_code == 413
    assert "larger than 5 MB" in response.content.decode()
    assert stored() == before


def test_a_paste_over_5_mb_is_refused_with_a_page(add, settings):
    before = stored()
    response = add(body="A hen. " * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 7 + 1), title="Too much")
    assert response.status_code == 400
    assert "too large" in response.content.decode()
    assert stored() == before


@pytest.mark.parametrize("name", ["../../etc/passwd", "..\\hen.txt", "/etc/passwd", "hen\x00.txt", "a" * 300 + ".txt"])
def test_a_files_name_leads_nowhere(add, name):
    assert add(BODY.encode(), name=name).status_code in (302, 400)
    assert not Text.objects.filter(title__contains="etc").exists()


def test_a_text_without_a_title_asks_for_one(add):
    body = "a hen stood in the yard and it was raining all day long on her and on everybody else.\n\nshe did not mind."
    response = add(body=body)
    assert response.status_code == 400 and "title" in response.context["form"].errors
    assert add(body=body, title="Rain").status_code == 302
    assert Text.objects.get(title="Rain").passages.count() == 2


def test_markup_in_a_text_stays_text(add, carol):
    add(body="Tags\n\nHe wrote <script>alert(1)</script> on the board & left.", title="<b>Tags</b>")
    client = browser(carol)
    body = client.get(f"/classes/{carol.classroom.pk}/").content.decode()
    assert "<b>Tags</b>" not in body and "<script>alert" not in body
