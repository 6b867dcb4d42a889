"""The bodies of texts and classes: snake_case in Python, camelCase on the wire, and no key that is not known.

As on the sockets, times are Unix seconds and what is not set is left out.
"""

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from classrooms.forms.fields import no_control_characters


def to_camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


class WireSerializer(serializers.Serializer):
    """Base of all bodies."""

    def get_fields(self):
        fields = {}
        for name, field in super().get_fields().items():
            wire_name = to_camel(name)
            if field.source is None and wire_name != name:
                field.source = name
            fields[wire_name] = field
        return fields

    def to_internal_value(self, data):
        if isinstance(data, dict) and (unknown := data.keys() - self.fields.keys()):
            raise serializers.ValidationError({name: [_("There is no such field.")] for name in sorted(unknown)})
        return super().to_internal_value(data)

    def to_representation(self, instance):
        return {name: value for name, value in super().to_representation(instance).items() if value is not None}


def without_controls(value: str) -> None:
    """A function, because drf-spectacular would show the pattern of what is *not* allowed as the one to match."""
    no_control_characters(value)


class SecondsField(serializers.FloatField):
    """A moment as Unix seconds."""

    def to_representation(self, value):
        return value.timestamp()


class StrictCharField(serializers.CharField):
    """Text, and not a number that could be written as one."""

    def to_internal_value(self, data):
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictBooleanField(serializers.BooleanField):
    """`true` or `false`: neither 1 nor "on"."""

    def to_internal_value(self, data):
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class CredentialsSerializer(WireSerializer):
    """A teacher's log-in."""

    username = StrictCharField(max_length=150)
    password = StrictCharField(max_length=1_000, trim_whitespace=False)


class TokenSerializer(WireSerializer):
    """A new token."""

    token = serializers.CharField(help_text="Shown this once. Send it as `Authorization: Token …`.")


class TextSerializer(WireSerializer):
    """A text; its words come page by page."""

    id = serializers.IntegerField()
    title = serializers.CharField()
    author = serializers.CharField()
    level = serializers.CharField()
    words = serializers.IntegerField(source="word_count")
    revision = serializers.IntegerField()
    page_count = serializers.IntegerField()
    created_at = SecondsField()


class OneTextSerializer(TextSerializer):
    """A text with its pages."""

    page_starts = serializers.ListField(child=serializers.IntegerField(), help_text="The first word of each page.")


class PassageSerializer(WireSerializer):
    """A heading, paragraph, list item or quotation. `marks` are [first word, last word, "em" or "strong"] within it."""

    kind = serializers.CharField()
    number = serializers.IntegerField()
    chapter = serializers.IntegerField()
    first_word = serializers.IntegerField()
    word_count = serializers.IntegerField()
    level = serializers.IntegerField()
    ordinal = serializers.IntegerField()
    marks = serializers.ListField(child=serializers.ListField())
    body = serializers.CharField()


class PageSerializer(WireSerializer):
    """One page of a text."""

    page = serializers.IntegerField()
    revision = serializers.IntegerField()
    passages = PassageSerializer(many=True)


class NewClassroomSerializer(WireSerializer):
    """A class to be opened."""

    name = StrictCharField(max_length=100, validators=[without_controls])


class ClassroomChangeSerializer(WireSerializer):
    """What a teacher may change; any other key is refused and nothing changes."""

    name = StrictCharField(max_length=100, validators=[without_controls], required=False)
    ai_enabled = StrictBooleanField(required=False)
    is_open = StrictBooleanField(required=False)


class OwnClassroomSerializer(WireSerializer):
    """A class as its students see it."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    ai_enabled = serializers.BooleanField()
    paused = serializers.BooleanField()


class ClassroomSerializer(OwnClassroomSerializer):
    """A class. Students see the first four keys of theirs, its teachers all."""

    code = serializers.CharField(required=False)
    is_open = serializers.BooleanField(required=False, help_text="Whether students may come in with the code.")
    created_at = SecondsField(required=False)
    archived_at = SecondsField(required=False)


class EnrollmentSerializer(WireSerializer):
    """A student of a class."""

    id = serializers.IntegerField()
    nickname = serializers.CharField()
    joined_at = SecondsField(source="created_at")
    last_seen = SecondsField(required=False)
