from django.urls import path
from rest_framework.routers import SimpleRouter

from accounts.api import openapi, passwords, views
from accounts.api.access import ApiKeyViewSet, SignInViewSet
from accounts.api.people import GroupViewSet, PersonViewSet

__all__ = ["openapi", "urlpatterns"]  # Importing `openapi` registers it.

router = SimpleRouter(use_regex_path=False)
router.register("users", PersonViewSet, basename="user")
router.register("groups", GroupViewSet, basename="group")
router.register("api-keys", ApiKeyViewSet, basename="api-key")

urlpatterns = [
    *router.urls,
    path("auth/token/", views.SignInView.as_view(), name="token"),
    path("auth/refresh/", views.RefreshView.as_view(), name="token-refresh"),
    path("auth/password/change/", passwords.ChangeView.as_view(), name="password-change"),
    path("auth/password/reset/", passwords.ResetView.as_view(), name="password-reset"),
    path("auth/password/reset/confirm/", passwords.ResetConfirmView.as_view(), name="password-reset-confirm"),
    path("auth/sign-ins/", SignInViewSet.as_view({"get": "list", "delete": "clear"}), name="sign-ins"),
    path("auth/sign-ins/<uuid:id>/", SignInViewSet.as_view({"delete": "destroy"}), name="sign-in"),
    path("auth/logout/", views.SignOutView.as_view(), name="token-logout"),
    path("auth/ws-ticket/", views.TicketView.as_view(), name="ws-ticket"),
    path("me/", views.MeView.as_view(), name="me"),
]
