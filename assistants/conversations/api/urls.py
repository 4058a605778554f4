from django.urls import path
from rest_framework.routers import SimpleRouter

from assistants.conversations.api.views import ConversationViewSet, MessageViewSet, RunViewSet

router = SimpleRouter(use_regex_path=False)
router.register("conversations", ConversationViewSet, basename="conversation")
router.register("runs", RunViewSet, basename="run")

urlpatterns = [
    *router.urls,
    path(
        "conversations/<uuid:conversation>/messages/",
        MessageViewSet.as_view({"get": "list", "post": "create"}),
        name="messages",
    ),
]
