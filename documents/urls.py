from django.urls import path

from documents import web, web_sharing

urlpatterns = [
    path("documents/", web.index, name="documents"),
    path("documents/upload/", web.upload, name="document-upload"),
    path("documents/<uuid:public_id>/", web.document, name="document"),
    path("documents/<uuid:public_id>/row/", web.row, name="document-row"),
    path("documents/<uuid:public_id>/retry/", web.retry, name="document-retry"),
    path("documents/<uuid:public_id>/delete/", web.delete, name="document-delete"),
    path("documents/<uuid:public_id>/share/", web_sharing.share, {"kind": "document"}, name="document-share"),
    path("documents/<uuid:public_id>/unshare/", web_sharing.unshare, {"kind": "document"}, name="document-unshare"),
    path("folders/", web.create_folder, name="folder-create"),
    path("folders/<uuid:public_id>/delete/", web.delete_folder, name="folder-delete"),
    path("folders/<uuid:public_id>/share/", web_sharing.share, {"kind": "folder"}, name="folder-share"),
    path("folders/<uuid:public_id>/unshare/", web_sharing.unshare, {"kind": "folder"}, name="folder-unshare"),
    path("search/", web.search_page, name="search-page"),
]
