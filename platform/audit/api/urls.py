from django.urls import path

from audit.api.views import AuditEventView

urlpatterns = [path("audit-events/", AuditEventView.as_view(), name="audit-events")]
