"""A tenant's site: pages, API, console."""

from __future__ import annotations

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from accounts.console import tenant_site
from tenants.web import tenant_css

handler400 = "core.views.bad_request"
handler403 = "core.views.forbidden"
handler404 = "core.views.not_found"
handler500 = "core.views.server_error"

api = [
    path("", include("accounts.api.urls")),
    path("", include("audit.api.urls")),
    path("", include("assistants.conversations.api.urls")),
    path("", include("documents.api.urls")),
    path("", include("gateway.api.urls")),
    path("", include("assistants.profiles.api.urls")),
]

urlpatterns = [
    path("", include("accounts.urls")),
    path("", include("gateway.urls")),
    path("", include("assistants.conversations.urls")),
    path("", include("documents.urls")),
    path("tenant.css", tenant_css, name="tenant-css"),
    path("admin/", tenant_site.urls),
    path("api/v1/", include(api)),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
]
