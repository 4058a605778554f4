"""How answers are rated, as counts, for those who look after assistants and models."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import person
from assistants.conversations import ratings


class FeedbackCountsQuery(serializers.Serializer[Any]):
    since = serializers.DateField(required=False, help_text="first day, UTC; by default the thirtieth before the last")
    until = serializers.DateField(required=False, help_text="last day, UTC; by default today")

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        until = given.get("until", ratings.last_days()[1])
        since = given.get("since") or until - ratings.USUAL
        if since > until or (until - since).days >= ratings.MOST_DAYS:
            raise serializers.ValidationError({"since": "a year at most, and not after until"})
        return {"since": since, "until": until}


class FeedbackCountOut(serializers.Serializer[Any]):
    key = serializers.CharField(help_text="the day, the reason's code, the model's or assistant's id; empty where there is none")
    name = serializers.CharField()
    up = serializers.IntegerField()
    down = serializers.IntegerField()


class FeedbackCountsOut(serializers.Serializer[Any]):
    since = serializers.DateField()
    until = serializers.DateField()
    up = serializers.IntegerField()
    down = serializers.IntegerField()
    days = FeedbackCountOut(many=True, help_text="those with ratings")
    reasons = FeedbackCountOut(many=True, help_text="the most frequent first, as models and assistants; 400 at most")
    models = FeedbackCountOut(many=True)
    assistants = FeedbackCountOut(many=True)


class FeedbackCountsView(APIView):
    @extend_schema(parameters=[FeedbackCountsQuery], responses=FeedbackCountsOut)
    def get(self, request: Request) -> Response:
        """Counts of thumbs on answers that were written here. Whose they are, and what was said beside them, is in none."""
        query = FeedbackCountsQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        return Response(FeedbackCountsOut(ratings.ratings(person(request), **query.validated_data)).data)
