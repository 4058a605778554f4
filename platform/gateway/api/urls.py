from django.urls import path

from gateway.api.views import BudgetViewSet, ModelGrantViewSet, ModelsView, UsageView

urlpatterns = [
    path("models/", ModelsView.as_view(), name="models"),
    path("model-grants/", ModelGrantViewSet.as_view({"get": "list", "post": "create"}), name="model-grants"),
    path("model-grants/<uuid:id>/", ModelGrantViewSet.as_view({"delete": "destroy"}), name="model-grant"),
    path("usage/", UsageView.as_view(), name="usage"),
    path("budgets/", BudgetViewSet.as_view({"get": "list", "post": "create"}), name="budgets"),
    path(
        "budgets/<uuid:id>/",
        BudgetViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="budget",
    ),
]
