"""Sign-in over the API, and who one is."""

from __future__ import annotations

from asgiref.sync import async_to_sync
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import second_factor, services, sign_ins, throttle, tickets, tokens
from accounts.api.serializers import CredentialsIn, MeOut, RefreshIn, SignOutIn, TicketOut, TokensOut
from accounts.authentication import identity, person
from core import caller
from isolation import context


class SignInView(APIView):
    """`{email, password}` → `{access, refresh, expires_in}`; with a second factor also `code`."""

    permission_classes = [AllowAny]
    authentication_classes = []

    @extend_schema(request=CredentialsIn, responses=TokensOut)
    def post(self, request: Request) -> Response:
        data = CredentialsIn(data=request.data)
        data.is_valid(raise_exception=True)
        schema = context.current().schema
        code = data.validated_data.pop("code", None)
        name = data.validated_data["email"]
        with throttle.attempt(request._request, name, code=bool(code)), context.use(context.auth(schema)):
            user = services.authenticate(**data.validated_data)
            second_factor.pass_step(user=user, code=code)
            return Response(tokens.sign_in(schema, user))


class RefreshView(APIView):
    """One refresh token → the next pair."""

    permission_classes = [AllowAny]
    authentication_classes = []

    @extend_schema(request=RefreshIn, responses=TokensOut)
    def post(self, request: Request) -> Response:
        data = RefreshIn(data=request.data)
        data.is_valid(raise_exception=True)
        schema, asked, given = context.current().schema, request._request, data.validated_data["refresh"]
        family = tokens.family_of(schema, given)
        limit, value = (throttle.REFRESH, family) if family else (throttle.FORGED, caller.address())
        throttle.check(asked, limit, value)
        with context.use(context.auth(schema)):
            try:
                pair = tokens.refresh(schema, given)
            except tokens.InvalidToken:
                if family is None:
                    throttle.count(asked, limit, value)
                raise
        throttle.count(asked, limit, value)
        return Response(pair)


class SignOutView(APIView):
    """Ends the sign-in of a refresh token; without one, the sign-in of the bearer that asks."""

    permission_classes = [AllowAny]

    @extend_schema(request=SignOutIn, responses={204: None})
    def post(self, request: Request) -> Response:
        data = SignOutIn(data=request.data)
        data.is_valid(raise_exception=True)
        schema, asks = context.current().schema, getattr(request._request, "identity", None)
        with context.use(context.auth(schema)):
            if refresh := data.validated_data.get("refresh"):
                tokens.sign_out(schema, refresh)
            elif asks and asks.sign_in:
                sign_ins.sign_out(user=asks.user, identifier=asks.sign_in)
        return Response(status=status.HTTP_204_NO_CONTENT)


class TicketView(APIView):
    """A single-use ticket for `/ws/?ticket=`, 30 seconds."""

    @extend_schema(request=None, responses={201: TicketOut})
    def post(self, request: Request) -> Response:
        ticket = async_to_sync(tickets.issue)(context.current().schema, identity(request))
        return Response({"ticket": ticket}, status=status.HTTP_201_CREATED)


class MeView(APIView):
    @extend_schema(responses=MeOut)
    def get(self, request: Request) -> Response:
        return Response(MeOut(person(request)).data)
