"""The table of routes and rights: complete, and what decides (case 20)."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from django.test import Client

from accounts.permissions import ROLES, Right
from config import access
from tests.people import House

ROLE_NAMES = ["admin", "manager", "member", "viewer", "auditor"]
SAMPLES = {
    "<uuid:public_id>": "01900000-0000-7000-8000-000000000000",
    "<uuid:id>": "01900000-0000-7000-8000-000000000000",
    "<uuid:grant>": "01900000-0000-7000-8000-000000000000",
    "<uuid:run>": "01900000-0000-7000-8000-000000000000",
    "<uuid:conversation>": "01900000-0000-7000-8000-000000000000",
    "<int:number>": "1",
    "<str:token>": "x",
    "<str:kind>": "tag",
}
FREED = {401, 403, 405}  # What the table answers with; a view's own 400 or 404 means that the table let it through.


def routes(patterns: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from routes(pattern.url_patterns, route)
        else:
            yield route, pattern.callback


def methods(callback: Any) -> set[str] | None:
    """What a class-based view or viewset answers to; None where a plain function does not tell."""
    actions = getattr(callback, "actions", None)
    if actions:
        return {name.upper() for name in actions} - {"HEAD", "OPTIONS"}
    view = getattr(callback, "cls", None) or getattr(callback, "view_class", None)
    if view is None:
        return None
    return {name.upper() for name in view.http_method_names if hasattr(view, name)} - {"HEAD", "OPTIONS"}


@pytest.mark.parametrize(("urlconf", "table"), [("config.urls_tenant", access.TENANT), ("config.urls_public", access.OPERATOR)])
def test_case_20_every_route_has_its_entry_and_no_entry_is_left_over(urlconf: str, table: dict[str, Any]) -> None:
    found = {route: methods(callback) for route, callback in routes(import_module(urlconf).urlpatterns)}
    found = {route: verbs for route, verbs in found.items() if not route.startswith(access.CONSOLE)}

    assert sorted(found) == sorted(table)
    for route, verbs in found.items():
        assert verbs is None or verbs == set(table[route]), route


def path_of(route: str) -> str:
    for placeholder, value in SAMPLES.items():
        route = route.replace(placeholder, value)
    assert "<" not in route, f"a sample for {route} is missing"
    return "/" + route


CELLS = [(route, method) for route, entry in access.TENANT.items() for method in entry]


@pytest.mark.parametrize(("route", "method"), CELLS)
def test_case_20_each_role_gets_what_the_table_says(acme: House, route: str, method: str) -> None:
    need = access.TENANT[route][method]
    if need == access.ANYBODY and (route == "login/" or route.startswith("api/v1/auth/")):
        return  # Sign-in's own doors are tested by name.
    api = route.startswith("api/")

    def status(client: Client) -> int:
        answer = client.generic(method, path_of(route), "{}", content_type="application/json")
        answer.close()
        return answer.status_code

    nobody = status(Client(headers={"host": acme.host}, raise_request_exception=False))
    if need == access.ANYBODY:
        assert nobody < 500
        assert nobody not in {401, 403}
    else:
        assert nobody == (401 if api else 302)
    if not api or need == access.ANYBODY:
        return
    for role in ROLE_NAMES:
        found = status(acme.person(role).api)
        may = need == access.SIGNED_IN or role in ROLES[Right(need)]
        assert (found == 403) is not may, f"case 20: {role} {method} /{route} answered {found}"
        assert found < 500


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_case_20_a_page_says_no_to_a_role_without_the_right(acme: House, role: str) -> None:
    client = acme.person(role).api  # A bearer reaches pages, too: rights do not depend on the way in.

    for route, entry in access.TENANT.items():
        need = entry.get("GET")
        if route.startswith("api/") or not isinstance(need, Right):
            continue
        found = client.get(path_of(route)).status_code
        assert (found == 403) is not (role in ROLES[need]), f"case 20: {role} GET /{route} answered {found}"


def test_case_20_a_route_without_an_entry_is_refused(acme: House, monkeypatch: pytest.MonkeyPatch) -> None:
    client = acme.person("admin").api
    assert client.get("/api/v1/me/").status_code == 200

    monkeypatch.delitem(access.TENANT, "api/v1/me/")

    answer = client.get("/api/v1/me/")
    assert (answer.status_code, answer.json()["code"]) == (403, "route_without_access")


def test_an_unknown_method_is_told_so(acme: House) -> None:
    answer = acme.person("admin").api.delete("/api/v1/me/")

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_case_20_the_console_opens_to_its_roles_only(acme: House, role: str) -> None:
    expected = 200 if role in ROLES[Right.CONSOLE] else 403

    assert acme.person(role).api.get("/admin/").status_code == expected


def test_case_24_tenants_and_the_operator_keep_to_their_own_consoles(acme: House) -> None:
    assert acme.person("admin").api.get("/admin/tenants/tenant/").status_code == 404
    stranger = Client(headers={"host": "localhost", "authorization": f"Bearer {acme.person('admin').token}"})
    assert stranger.get("/admin/").status_code == 401
