from django.urls import path

from accounts.api import openapi, views

__all__ = ["openapi", "urlpatterns"]  # Importing `openapi` registers it.

urlpatterns = [
    path("auth/token/", views.SignInView.as_view(), name="token"),
    path("auth/refresh/", views.RefreshView.as_view(), name="token-refresh"),
    path("auth/logout/", views.SignOutView.as_view(), name="token-logout"),
    path("auth/ws-ticket/", views.TicketView.as_view(), name="ws-ticket"),
    path("me/", views.MeView.as_view(), name="me"),
]
