from django.urls import path
from rest_framework.routers import SimpleRouter

from documents.api.grants import PrincipalsView
from documents.api.views import DocumentViewSet, FolderViewSet, SearchView

router = SimpleRouter(use_regex_path=False)
router.register("folders", FolderViewSet, basename="folder")
router.register("documents", DocumentViewSet, basename="document")

urlpatterns = [
    *router.urls,
    path("search/", SearchView.as_view(), name="search"),
    path("principals/", PrincipalsView.as_view(), name="principals"),
]
