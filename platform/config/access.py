"""Which right each route asks for. The request chain decides here before any view runs; a route without an entry is refused.

Adding a route? Add its line. `docs/security.md` holds the table that is made from this (scripts/reference).
"""

from __future__ import annotations

from typing import Literal

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.permissions import Right, allows
from core.errors import AppError, NotAllowed, NotAuthenticated
from core.middleware.security_headers import is_api

Need = Right | Literal["anybody", "signed in"]
ANYBODY: Need = "anybody"
SIGNED_IN: Need = "signed in"

R = Right
API = "api/v1/"

TENANT: dict[str, dict[str, Need]] = {
    # Pages
    "login/": {"GET": ANYBODY, "POST": ANYBODY},
    "login/code/": {"GET": ANYBODY, "POST": ANYBODY},
    "login/enrol/": {"GET": ANYBODY, "POST": ANYBODY},
    "login/oidc/callback/": {"GET": ANYBODY},
    "login/oidc/<uuid:public_id>/": {"GET": ANYBODY},
    "logout/": {"POST": ANYBODY},
    "language/": {"POST": ANYBODY},
    "tenant.css": {"GET": ANYBODY},
    "password/forgotten/": {"GET": ANYBODY, "POST": ANYBODY},
    "password/reset/<str:token>/": {"GET": ANYBODY, "POST": ANYBODY},
    "settings/": {"GET": R.ACCOUNT, "POST": R.ACCOUNT},
    "settings/password/": {"POST": R.ACCOUNT},
    "settings/second-factor/": {"GET": R.ACCOUNT, "POST": R.ACCOUNT},
    "settings/sign-ins/": {"POST": R.ACCOUNT},
    "settings/keys/": {"POST": R.KEYS},
    "settings/keys/<uuid:public_id>/revoke/": {"POST": R.KEYS},
    "settings/usage/": {"GET": R.ACCOUNT},
    "": {"GET": R.ASK},
    "send/": {"POST": R.ASK},
    "c/<uuid:public_id>/": {"GET": R.ASK},
    "c/<uuid:public_id>/delete/": {"POST": R.ASK},
    "c/<uuid:public_id>/sent/<uuid:run>/": {"GET": R.ASK},
    "messages/<uuid:public_id>/edit/": {"POST": R.ASK},
    "messages/<uuid:public_id>/regenerate/": {"POST": R.ASK},
    "messages/<uuid:public_id>/continue/": {"POST": R.ASK},
    "messages/<uuid:public_id>/activate/": {"POST": R.ASK},
    "messages/<uuid:public_id>/feedback/": {"POST": R.ASK},
    "c/temporary/": {"POST": R.ASK},
    "c/<uuid:public_id>/menu/": {"GET": R.ASK},
    "c/<uuid:public_id>/organise/": {"POST": R.ASK},
    "c/<uuid:public_id>/restore/": {"POST": R.ASK},
    "conversations/": {"GET": R.ASK},
    "conversations/sidebar/": {"GET": R.ASK},
    "conversations/bin/": {"GET": R.ASK},
    "conversations/bin/empty/": {"POST": R.ASK},
    "conversations/folders/": {"POST": R.ASK},
    "conversations/<str:kind>/<uuid:public_id>/": {"POST": R.ASK},
    "c/<uuid:public_id>/share/": {"GET": R.ASK, "POST": R.ASK},
    "share/<str:token>/": {"GET": ANYBODY},  # The link itself is what opens it.
    "settings/conversations/": {"GET": R.ASK},
    "settings/conversations/import/": {"POST": R.ASK},
    "settings/conversations/imports/<uuid:public_id>/": {"GET": R.ASK},
    "settings/shares/<uuid:public_id>/revoke/": {"POST": R.ASK},
    "search/": {"GET": R.READ},
    "documents/": {"GET": R.READ},
    "documents/upload/": {"POST": R.UPLOAD},
    "documents/<uuid:public_id>/": {"GET": R.READ},
    "documents/<uuid:public_id>/row/": {"GET": R.READ},
    "documents/<uuid:public_id>/retry/": {"POST": R.UPLOAD},
    "documents/<uuid:public_id>/delete/": {"POST": R.UPLOAD},
    "documents/<uuid:public_id>/share/": {"POST": R.UPLOAD},
    "documents/<uuid:public_id>/unshare/": {"POST": R.UPLOAD},
    "folders/": {"POST": R.UPLOAD},
    "folders/<uuid:public_id>/delete/": {"POST": R.UPLOAD},
    "folders/<uuid:public_id>/share/": {"POST": R.UPLOAD},
    "folders/<uuid:public_id>/unshare/": {"POST": R.UPLOAD},
    # API
    "api/schema/": {"GET": ANYBODY},
    "api/docs/": {"GET": ANYBODY},
    f"{API}auth/token/": {"POST": ANYBODY},
    f"{API}auth/refresh/": {"POST": ANYBODY},
    f"{API}auth/logout/": {"POST": ANYBODY},
    f"{API}auth/ws-ticket/": {"POST": R.ASK},
    f"{API}auth/password/change/": {"POST": R.ACCOUNT},
    f"{API}auth/password/reset/": {"POST": ANYBODY},
    f"{API}auth/password/reset/confirm/": {"POST": ANYBODY},
    f"{API}auth/sign-ins/": {"GET": R.ACCOUNT, "DELETE": R.ACCOUNT},
    f"{API}auth/sign-ins/<uuid:id>/": {"DELETE": R.ACCOUNT},
    f"{API}api-keys/": {"GET": R.KEYS, "POST": R.KEYS},
    f"{API}api-keys/<uuid:id>/": {"DELETE": R.KEYS},
    f"{API}me/": {"GET": SIGNED_IN},
    f"{API}users/": {"GET": R.SEE_PEOPLE, "POST": R.MANAGE_PEOPLE},
    f"{API}users/<uuid:id>/": {"GET": R.SEE_PEOPLE, "PATCH": R.MANAGE_PEOPLE},
    f"{API}users/<uuid:id>/password-link/": {"POST": R.MANAGE_PEOPLE},
    f"{API}groups/": {"GET": R.SEE_PEOPLE, "POST": R.MANAGE_GROUPS},
    f"{API}groups/<uuid:id>/": {"GET": R.SEE_PEOPLE, "PATCH": R.MANAGE_GROUPS, "DELETE": R.MANAGE_GROUPS},
    f"{API}audit-events/": {"GET": R.SEE_AUDIT},
    f"{API}conversations/": {"GET": R.ASK, "POST": R.ASK},
    f"{API}conversations/<uuid:id>/": {"GET": R.ASK, "PATCH": R.ASK, "DELETE": R.ASK},
    f"{API}conversations/<uuid:conversation>/messages/": {"GET": R.ASK, "POST": R.ASK},
    f"{API}conversations/bin/": {"GET": R.ASK, "DELETE": R.ASK},
    f"{API}conversations/search/": {"GET": R.ASK},
    f"{API}conversations/<uuid:id>/restore/": {"POST": R.ASK},
    f"{API}conversations/<uuid:id>/draft/": {"GET": R.ASK, "PUT": R.ASK, "DELETE": R.ASK},
    f"{API}drafts/new/": {"GET": R.ASK, "PUT": R.ASK, "DELETE": R.ASK},
    f"{API}attachments/": {"POST": R.ASK},
    f"{API}attachments/<uuid:id>/": {"GET": R.ASK, "DELETE": R.ASK},
    f"{API}attachments/<uuid:id>/file/": {"GET": R.ASK},
    f"{API}conversation-folders/": {"GET": R.ASK, "POST": R.ASK},
    f"{API}conversation-folders/<uuid:id>/": {"GET": R.ASK, "PATCH": R.ASK, "DELETE": R.ASK},
    f"{API}tags/": {"GET": R.ASK, "POST": R.ASK},
    f"{API}tags/<uuid:id>/": {"GET": R.ASK, "PATCH": R.ASK, "DELETE": R.ASK},
    f"{API}conversations/import/": {"POST": R.ASK},
    f"{API}conversations/imports/": {"GET": R.ASK},
    f"{API}conversations/imports/<uuid:id>/": {"GET": R.ASK},
    f"{API}conversations/export/": {"GET": R.ASK},
    f"{API}conversations/<uuid:id>/share/": {"GET": R.ASK, "POST": R.ASK},
    f"{API}shares/": {"GET": R.ASK},
    f"{API}shares/<uuid:id>/": {"DELETE": R.ASK},
    f"{API}conversations/<uuid:id>/export/": {"GET": R.ASK},
    f"{API}runs/<uuid:id>/": {"GET": R.ASK},
    f"{API}runs/<uuid:id>/events/": {"GET": R.ASK},
    f"{API}runs/<uuid:id>/sent/": {"GET": R.ASK},
    f"{API}runs/<uuid:id>/stop/": {"POST": R.ASK},
    f"{API}runs/<uuid:id>/continue/": {"POST": R.ASK},
    f"{API}messages/<uuid:id>/": {"GET": R.ASK},
    f"{API}messages/<uuid:id>/edit/": {"POST": R.ASK},
    f"{API}messages/<uuid:id>/regenerate/": {"POST": R.ASK},
    f"{API}messages/<uuid:id>/activate/": {"POST": R.ASK},
    f"{API}messages/<uuid:id>/keep/": {"POST": R.ASK},
    f"{API}messages/<uuid:id>/feedback/": {"POST": R.ASK, "DELETE": R.ASK},
    f"{API}feedback/": {"GET": R.SEE_FEEDBACK},
    f"{API}routing/preview/": {"POST": R.ASK},
    f"{API}search/": {"POST": R.READ},
    f"{API}folders/": {"GET": R.READ, "POST": R.UPLOAD},
    f"{API}folders/<uuid:id>/": {"GET": R.READ, "PATCH": R.UPLOAD, "DELETE": R.UPLOAD},
    f"{API}folders/<uuid:id>/grants/": {"GET": R.READ, "POST": R.UPLOAD, "DELETE": R.UPLOAD},
    f"{API}folders/<uuid:id>/grants/<uuid:grant>/": {"DELETE": R.UPLOAD},
    f"{API}documents/": {"GET": R.READ, "POST": R.UPLOAD},
    f"{API}documents/<uuid:id>/": {"GET": R.READ, "DELETE": R.UPLOAD},
    f"{API}documents/<uuid:id>/chunks/": {"GET": R.READ},
    f"{API}documents/<uuid:id>/file/": {"GET": R.READ},
    f"{API}documents/<uuid:id>/pages/<int:number>/": {"GET": R.READ},
    f"{API}documents/<uuid:id>/retry/": {"POST": R.UPLOAD},
    f"{API}documents/<uuid:id>/text/": {"GET": R.READ},
    f"{API}documents/<uuid:id>/grants/": {"GET": R.READ, "POST": R.UPLOAD, "DELETE": R.UPLOAD},
    f"{API}documents/<uuid:id>/grants/<uuid:grant>/": {"DELETE": R.UPLOAD},
    f"{API}readings/": {"GET": R.READ_PRIVATE, "POST": R.READ_PRIVATE},
    f"{API}readings/<uuid:id>/conversations/": {"GET": R.READ_PRIVATE},
    f"{API}readings/<uuid:id>/conversations/<uuid:conversation>/messages/": {"GET": R.READ_PRIVATE},
    f"{API}me/readings/": {"GET": SIGNED_IN},
    f"{API}models/": {"GET": R.ASK},
    f"{API}model-grants/": {"GET": R.MANAGE_PLATFORM, "POST": R.MANAGE_PLATFORM},
    f"{API}model-grants/<uuid:id>/": {"DELETE": R.MANAGE_PLATFORM},
    f"{API}usage/": {"GET": R.ASK},  # One's own; all of it for those who may see usage.
    f"{API}budgets/": {"GET": R.MANAGE_PLATFORM, "POST": R.MANAGE_PLATFORM},
    f"{API}budgets/<uuid:id>/": {"GET": R.MANAGE_PLATFORM, "PATCH": R.MANAGE_PLATFORM, "DELETE": R.MANAGE_PLATFORM},
    f"{API}assistants/": {"GET": R.ASK},
    f"{API}assistants/<uuid:id>/grants/": {
        "GET": R.MANAGE_ASSISTANTS,
        "POST": R.MANAGE_ASSISTANTS,
        "DELETE": R.MANAGE_ASSISTANTS,
    },
    f"{API}principals/": {"GET": R.UPLOAD},
}
OPERATOR: dict[str, dict[str, Need]] = {
    "": {"GET": ANYBODY},
    "metrics": {"GET": ANYBODY},  # The view asks for the operator's network or token.
}
# No API key reaches these, whatever its scopes.
BY_PERSONS = frozenset({f"{API}users/<uuid:id>/password-link/"})
# Django's admin asks `accounts.permissions.CONSOLE` for each model; its own sign-in must stay open to reach it.
CONSOLE = "admin/"
CONSOLE_DOORS = frozenset({"admin/login/", "admin/logout/", "admin/jsi18n/"})


class RouteWithoutAccess(NotAllowed):
    code = "route_without_access"


class MethodNotAllowed(AppError):
    code = "method_not_allowed"
    status = 405
    title = _("Method not allowed")


def needs(route: str, method: str, *, operator: bool) -> Need | None:
    """What a route asks for; None where it does not know the method. Raises `RouteWithoutAccess`."""
    if route.startswith(CONSOLE):
        if route in CONSOLE_DOORS:
            return ANYBODY
        return R.OPERATE if operator else R.CONSOLE
    entry = (OPERATOR if operator else TENANT).get(route)
    if entry is None:
        raise RouteWithoutAccess
    if method == "OPTIONS":
        return SIGNED_IN if ANYBODY not in entry.values() else ANYBODY
    return entry.get("GET" if method == "HEAD" else method)


def decide(request: HttpRequest) -> AppError | None:
    """Why the request may not reach its view, or None. Asks the table, the person's role and the key's scopes."""
    route = request.resolver_match.route if request.resolver_match else ""
    try:
        need = needs(route, request.method or "", operator=request.site.is_operator)  # type: ignore[attr-defined]
    except RouteWithoutAccess as error:
        return error
    if need is None:
        return MethodNotAllowed()
    if need == ANYBODY:
        return None
    if not request.user.is_authenticated:
        return NotAuthenticated()
    scopes: frozenset[str] | None = getattr(request, "scopes", None)  # Of an API key; a signed-in person has none.
    if scopes is not None and (route in BY_PERSONS or not is_api(request.path_info)):
        return NotAllowed()  # Pages and consoles are for people.
    if isinstance(need, Right) and (not allows(request.user, need) or (scopes is not None and need.value not in scopes)):
        return NotAllowed()
    return None
