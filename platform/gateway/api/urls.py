from django.urls import path

from gateway.api.views import ModelsView

urlpatterns = [path("models/", ModelsView.as_view(), name="models")]
