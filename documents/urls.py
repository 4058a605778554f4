from django.urls import path

from documents import web

urlpatterns = [
    path("documents/", web.index, name="documents"),
    path("documents/upload/", web.upload, name="document-upload"),
    path("documents/<uuid:public_id>/", web.document, name="document"),
    path("documents/<uuid:public_id>/row/", web.row, name="document-row"),
    path("documents/<uuid:public_id>/retry/", web.retry, name="document-retry"),
    path("documents/<uuid:public_id>/delete/", web.delete, name="document-delete"),
    path("folders/", web.create_folder, name="folder-create"),
    path("folders/<uuid:public_id>/delete/", web.delete_folder, name="folder-delete"),
    path("search/", web.search_page, name="search-page"),
]
