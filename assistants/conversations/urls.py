from django.urls import path

from assistants.conversations import web, web_sharing

urlpatterns = [
    path("", web.new, name="chat"),
    path("c/<uuid:public_id>/", web.conversation, name="conversation"),
    path("c/<uuid:public_id>/delete/", web.delete, name="conversation-delete"),
    path("c/<uuid:public_id>/sent/<uuid:run>/", web.sent, name="sent"),
    path("c/<uuid:public_id>/share/", web_sharing.share, name="conversation-share"),
    path("share/<str:token>/", web_sharing.shared, name="share"),
    path("settings/conversations/", web_sharing.moving, name="moving"),
    path("settings/conversations/import/", web_sharing.bring, name="bring"),
    path("settings/conversations/imports/<uuid:public_id>/", web_sharing.brought, name="brought"),
    path("settings/shares/<uuid:public_id>/revoke/", web_sharing.revoke, name="share-revoke"),
    path("send/", web.send, name="send"),
]
