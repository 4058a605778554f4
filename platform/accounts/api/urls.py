from django.urls import path
from rest_framework.routers import SimpleRouter

from accounts.api import openapi, views
from accounts.api.people import GroupViewSet, PersonViewSet

__all__ = ["openapi", "urlpatterns"]  # Importing `openapi` registers it.

router = SimpleRouter(use_regex_path=False)
router.register("users", PersonViewSet, basename="user")
router.register("groups", GroupViewSet, basename="group")

urlpatterns = [
    *router.urls,
    path("auth/token/", views.SignInView.as_view(), name="token"),
    path("auth/refresh/", views.RefreshView.as_view(), name="token-refresh"),
    path("auth/logout/", views.SignOutView.as_view(), name="token-logout"),
    path("auth/ws-ticket/", views.TicketView.as_view(), name="ws-ticket"),
    path("me/", views.MeView.as_view(), name="me"),
]
