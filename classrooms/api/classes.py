"""Classes and the students in them. A teacher has theirs whole, a student sees of their own what its page shows."""

from django.db.models import Max
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import PermissionDenied
from rest_framework.generics import GenericAPIView, ListAPIView
from rest_framework.response import Response
from rest_framework.views import APIView

from classrooms.api.base import Api, IsTeacher
from classrooms.api.serializers import (
    ClassroomChangeSerializer,
    ClassroomSerializer,
    EnrollmentSerializer,
    NewClassroomSerializer,
    OwnClassroomSerializer,
)
from classrooms.middleware import enrollment_of
from classrooms.models import Classroom, Enrollment
from classrooms.services.classes import change_classroom, create_classroom
from classrooms.services.roster import remove_student, students_of
from classrooms.views.lookups import classroom_or_404, enrollment_or_404


class ClassroomList(Api, ListAPIView):
    """The classes you teach, or the one you read in."""

    def get_serializer_class(self):
        if self.request.method == "POST":
            return NewClassroomSerializer
        return ClassroomSerializer if self.request.user.is_teacher else OwnClassroomSerializer

    def get_queryset(self):
        if self.request.user.is_teacher:
            return self.request.user.classrooms.all()
        enrollment = enrollment_of(self.request._request)
        return Classroom.objects.filter(pk=enrollment and enrollment.classroom_id)

    @extend_schema(responses=ClassroomSerializer(many=True))
    def get(self, request):
        return self.list(request)

    @extend_schema(request=NewClassroomSerializer, responses={201: ClassroomSerializer})
    def post(self, request):
        """Open a class, as its teacher."""
        if not request.user.is_teacher:
            raise PermissionDenied
        body = NewClassroomSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        classroom = create_classroom(teacher=request.user, **body.validated_data)
        return Response(ClassroomSerializer(classroom).data, status=status.HTTP_201_CREATED)


class OneClassroom(Api, APIView):
    """One class."""

    @extend_schema(responses=ClassroomSerializer)
    def get(self, request, classroom_id):
        enrollment = enrollment_of(request._request)
        if enrollment is not None and enrollment.classroom_id == classroom_id:
            return Response(OwnClassroomSerializer(enrollment.classroom).data)
        return Response(ClassroomSerializer(classroom_or_404(request, classroom_id)).data)

    @extend_schema(request=ClassroomChangeSerializer, responses=ClassroomSerializer)
    def patch(self, request, classroom_id):
        """Change its name, whether AI answers, whether students may come in."""
        if not request.user.is_teacher:
            raise PermissionDenied
        classroom = classroom_or_404(request, classroom_id)
        body = ClassroomChangeSerializer(data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        change_classroom(classroom, **body.validated_data)
        return Response(ClassroomSerializer(classroom).data)


class EnrollmentList(Api, ListAPIView):
    """The students of a class."""

    permission_classes = [IsTeacher]
    queryset = Enrollment.objects.none()
    serializer_class = EnrollmentSerializer

    def get_queryset(self):
        return students_of(classroom_or_404(self.request, self.kwargs["classroom_id"]))


class OneEnrollment(Api, GenericAPIView):
    """One student of a class."""

    permission_classes = [IsTeacher]
    serializer_class = EnrollmentSerializer

    def get_object(self):
        return enrollment_or_404(self.request, self.kwargs["classroom_id"], self.kwargs["enrollment_id"])

    def get(self, request, classroom_id, enrollment_id):
        enrollment = self.get_object()
        enrollment.last_seen = enrollment.reading_sessions.aggregate(latest=Max("last_seen"))["latest"]
        return Response(EnrollmentSerializer(enrollment).data)

    @extend_schema(responses={204: None})
    def delete(self, request, classroom_id, enrollment_id):
        """Take the student out of the class; their sockets close."""
        remove_student(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)
