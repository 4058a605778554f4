"""The operator's site: demo front page, console, metrics."""

from __future__ import annotations

from django.urls import path

from accounts.console import operator_site
from config import metrics_view
from tenants.web import operator_front

handler400 = "core.views.bad_request"
handler403 = "core.views.forbidden"
handler404 = "core.views.not_found"
handler500 = "core.views.server_error"

urlpatterns = [
    path("", operator_front, name="operator"),
    path("admin/", operator_site.urls),
    path("metrics", metrics_view.metrics, name="metrics"),
]
