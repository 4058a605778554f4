"""Links to copies of one's conversations."""

from __future__ import annotations

import uuid
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import person
from assistants.conversations import sharing
from assistants.conversations.models import Conversation, Share
from core.api import CursorPages
from core.errors import NotFound


class ShareIn(serializers.Serializer[Any]):
    audience = serializers.ChoiceField(choices=Share.Audience.values, default=Share.Audience.TENANT.value)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)
    days = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=sharing.MOST_DAYS)
    named = serializers.BooleanField(default=False, help_text="the owner's name stands on the copy")


class ShareOut(serializers.ModelSerializer[Share]):
    id = serializers.UUIDField(source="public_id", read_only=True)
    conversation = serializers.UUIDField(source="conversation.public_id", read_only=True)
    token = serializers.SerializerMethodField()
    url = serializers.SerializerMethodField()
    state = serializers.SerializerMethodField(help_text="open, expired, or closed by the organisation's rule")

    class Meta:
        model = Share
        fields = [
            "id",
            "conversation",
            "token",
            "url",
            "audience",
            "title",
            "state",
            "opened",
            "opened_at",
            "created_at",
            "expires_at",
        ]

    def get_token(self, share: Share) -> str | None:
        return sharing.token_of(share)

    def get_url(self, share: Share) -> str | None:
        token = sharing.token_of(share)
        return self.context["request"].build_absolute_uri(reverse("share", args=[token])) if token else None

    def get_state(self, share: Share) -> str:
        return sharing.state_of(share)


class ConversationShareViewSet(viewsets.GenericViewSet[Share]):
    """The links of one conversation."""

    serializer_class = ShareOut
    pagination_class = CursorPages
    queryset = Share.objects.none()

    def _conversation(self) -> Conversation:
        rows = Conversation.objects.visible_to(person(self.request)).select_related("assistant")
        found = rows.filter(public_id=self.kwargs["id"]).first()
        if found is None:
            raise NotFound(_("There is no such conversation."))
        return found

    @extend_schema(responses=ShareOut(many=True))
    def list(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        page = self.paginate_queryset(sharing.shares(person(request), self._conversation()))
        return self.get_paginated_response(self.get_serializer(page or [], many=True).data)

    @extend_schema(request=ShareIn, responses={201: ShareOut})
    def create(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        data = ShareIn(data=request.data)
        data.is_valid(raise_exception=True)
        made = sharing.create_share(owner=person(request), conversation=self._conversation(), **data.validated_data)
        told = sharing.shares(person(request)).get(pk=made.pk)
        return Response(self.get_serializer(told).data, status=status.HTTP_201_CREATED)


class ShareViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[Share]):
    """All of one's own links."""

    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_converter = "uuid"
    serializer_class = ShareOut
    pagination_class = CursorPages
    queryset = Share.objects.none()

    def get_queryset(self) -> Any:
        return sharing.shares(person(self.request))

    def destroy(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002 (the route's name)
        sharing.revoke_share(owner=person(request), share=id)
        return Response(status=status.HTTP_204_NO_CONTENT)
