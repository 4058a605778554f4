from django.urls import path

from assistants.conversations import web

urlpatterns = [
    path("", web.new, name="chat"),
    path("c/<uuid:public_id>/", web.conversation, name="conversation"),
    path("c/<uuid:public_id>/delete/", web.delete, name="conversation-delete"),
    path("c/<uuid:public_id>/sent/<uuid:run>/", web.sent, name="sent"),
    path("send/", web.send, name="send"),
]
