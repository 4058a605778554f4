"""Django's own sign-in and sign-out, whoever calls them (pages, consoles, its test client), begin and end a `SignIn`."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth import user_logged_in, user_logged_out
from django.http import HttpRequest

from accounts import sign_ins
from accounts.models import SignIn, User
from accounts.sessions import SIGN_IN
from isolation import context


def begun(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    method = getattr(request, "sign_in_method", "password")
    with context.use(context.auth(context.current().schema)):
        made = sign_ins.begin(user=user, kind=SignIn.Kind.SESSION, method=method)
    request.session[SIGN_IN] = str(made.public_id)


def ended(sender: Any, request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    if user is not None and (identifier := request.session.get(SIGN_IN)):
        with context.use(context.auth(context.current().schema)):
            sign_ins.sign_out(user=user, identifier=uuid.UUID(identifier))


def connect() -> None:
    user_logged_in.connect(begun, dispatch_uid="accounts.begun")
    user_logged_out.connect(ended, dispatch_uid="accounts.ended")
