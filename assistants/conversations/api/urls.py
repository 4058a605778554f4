from django.urls import path
from rest_framework.routers import SimpleRouter

from assistants.conversations.api.attachments import AttachmentViewSet
from assistants.conversations.api.branches import ContinueView, MessageDetailViewSet
from assistants.conversations.api.moving import ExportAllView, ExportOneView, ImportView, ImportViewSet
from assistants.conversations.api.organising import ConversationFolderViewSet, NewDraftView, TagViewSet
from assistants.conversations.api.ratings import FeedbackCountsView
from assistants.conversations.api.readings import MyReadingsView, ReadingViewSet
from assistants.conversations.api.sharing import ConversationShareViewSet, ShareViewSet
from assistants.conversations.api.views import ConversationViewSet, MessageViewSet, PreviewView, RunViewSet

router = SimpleRouter(use_regex_path=False)
router.register("conversations", ConversationViewSet, basename="conversation")
router.register("messages", MessageDetailViewSet, basename="api-message")
router.register("attachments", AttachmentViewSet, basename="attachment")
router.register("conversation-folders", ConversationFolderViewSet, basename="conversation-folder")
router.register("tags", TagViewSet, basename="tag")
router.register("readings", ReadingViewSet, basename="reading")
router.register("runs", RunViewSet, basename="run")

router.register("conversations/imports", ImportViewSet, basename="import")
router.register("shares", ShareViewSet, basename="share")

urlpatterns = [
    *router.urls,
    path("runs/<uuid:id>/continue/", ContinueView.as_view(), name="run-continue"),
    path("conversations/import/", ImportView.as_view(), name="import"),
    path("conversations/export/", ExportAllView.as_view(), name="export-all"),
    path("conversations/<uuid:id>/export/", ExportOneView.as_view(), name="export"),
    path(
        "conversations/<uuid:id>/share/",
        ConversationShareViewSet.as_view({"get": "list", "post": "create"}),
        name="conversation-shares",
    ),
    path("feedback/", FeedbackCountsView.as_view(), name="feedback-counts"),
    path("routing/preview/", PreviewView.as_view(), name="routing-preview"),
    path("drafts/new/", NewDraftView.as_view(), name="new-draft"),
    path("me/readings/", MyReadingsView.as_view(), name="my-readings"),
    path(
        "conversations/<uuid:conversation>/messages/",
        MessageViewSet.as_view({"get": "list", "post": "create"}),
        name="messages",
    ),
]
