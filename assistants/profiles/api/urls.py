from rest_framework.routers import SimpleRouter

from assistants.profiles.api.views import AssistantViewSet

router = SimpleRouter(use_regex_path=False)
router.register("assistants", AssistantViewSet, basename="assistant")

urlpatterns = router.urls
