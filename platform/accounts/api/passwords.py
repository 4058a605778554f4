"""Passwords over HTTP."""

from __future__ import annotations

from django.contrib.auth import update_session_auth_hash
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import passwords, tasks, throttle, tokens
from accounts.api.serializers import PasswordChangeIn, PasswordResetIn, PasswordSetIn, TokensOut
from accounts.authentication import identity, person
from isolation import context


class ChangeView(APIView):
    """`{old, new}`: ends every other sign-in. A bearer gets the next pair of its family (200), a session goes on (204)."""

    @extend_schema(request=PasswordChangeIn, responses={200: TokensOut, 204: None})
    def post(self, request: Request) -> Response:
        data = PasswordChangeIn(data=request.data)
        data.is_valid(raise_exception=True)
        asks, schema = identity(request), context.current().schema
        with throttle.attempt(request._request, person(request).email):
            user = passwords.change(user=person(request), keep=asks.sign_in, **data.validated_data)
        if request.auth is None or asks.sign_in is None:
            with context.use(context.auth(schema)):
                update_session_auth_hash(request._request, user)
            return Response(status=status.HTTP_204_NO_CONTENT)
        with context.use(context.auth(schema)):
            return Response(tokens.issue(schema, user, asks.sign_in))


class ResetView(APIView):
    """`{email}` → 202 for everybody, known or not."""

    permission_classes = [AllowAny]
    authentication_classes = []

    @extend_schema(request=PasswordResetIn, responses={202: None})
    def post(self, request: Request) -> Response:
        data = PasswordResetIn(data=request.data)
        data.is_valid(raise_exception=True)
        throttle.count_reset(request._request, data.validated_data["email"])
        tasks.ask_for_link(data.validated_data["email"])
        return Response(status=status.HTTP_202_ACCEPTED)


class ResetConfirmView(APIView):
    """`{token, password}`: the token of the link, once."""

    permission_classes = [AllowAny]
    authentication_classes = []

    @extend_schema(request=PasswordSetIn, responses={204: None})
    def post(self, request: Request) -> Response:
        data = PasswordSetIn(data=request.data)
        data.is_valid(raise_exception=True)
        passwords.reset(**data.validated_data)
        return Response(status=status.HTTP_204_NO_CONTENT)
