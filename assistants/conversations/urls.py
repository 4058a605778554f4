from django.urls import path

from assistants.conversations import web, web_branches

urlpatterns = [
    path("", web.new, name="chat"),
    path("c/<uuid:public_id>/", web.conversation, name="conversation"),
    path("c/<uuid:public_id>/delete/", web.delete, name="conversation-delete"),
    path("c/<uuid:public_id>/sent/<uuid:run>/", web.sent, name="sent"),
    path("messages/<uuid:public_id>/edit/", web_branches.edit, name="message-edit"),
    path("messages/<uuid:public_id>/regenerate/", web_branches.regenerate, name="message-regenerate"),
    path("messages/<uuid:public_id>/continue/", web_branches.go_on, name="message-continue"),
    path("messages/<uuid:public_id>/activate/", web_branches.activate, name="message-activate"),
    path("messages/<uuid:public_id>/feedback/", web_branches.feedback, name="message-feedback"),
    path("send/", web.send, name="send"),
]
