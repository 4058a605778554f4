from django.urls import path

from assistants.conversations.web import branches, chat, order, sharing

urlpatterns = [
    path("", chat.new, name="chat"),
    path("c/<uuid:public_id>/", chat.conversation, name="conversation"),
    path("c/<uuid:public_id>/sent/<uuid:run>/", chat.sent, name="sent"),
    path("messages/<uuid:public_id>/edit/", branches.edit, name="message-edit"),
    path("messages/<uuid:public_id>/regenerate/", branches.regenerate, name="message-regenerate"),
    path("messages/<uuid:public_id>/continue/", branches.go_on, name="message-continue"),
    path("messages/<uuid:public_id>/activate/", branches.activate, name="message-activate"),
    path("messages/<uuid:public_id>/feedback/", branches.feedback, name="message-feedback"),
    path("c/<uuid:public_id>/share/", sharing.share, name="conversation-share"),
    path("share/<str:token>/", sharing.shared, name="share"),
    path("settings/conversations/", sharing.moving, name="moving"),
    path("settings/conversations/import/", sharing.bring, name="bring"),
    path("settings/conversations/imports/<uuid:public_id>/", sharing.brought, name="brought"),
    path("settings/shares/<uuid:public_id>/revoke/", sharing.revoke, name="share-revoke"),
    path("send/", chat.send, name="send"),
    path("c/temporary/", order.temporary, name="temporary"),
    path("c/<uuid:public_id>/menu/", order.menu, name="conversation-menu"),
    path("c/<uuid:public_id>/organise/", order.organise, name="conversation-organise"),
    path("c/<uuid:public_id>/delete/", order.delete, name="conversation-delete"),
    path("c/<uuid:public_id>/restore/", order.restore, name="restore-conversation"),
    path("conversations/", order.index, name="conversations"),
    path("conversations/sidebar/", order.sidebar, name="conversations-sidebar"),
    path("conversations/bin/", order.bin_page, name="bin-page"),
    path("conversations/bin/empty/", order.empty_bin, name="empty-bin"),
    path("conversations/folders/", order.create_folder, name="conversation-folder-create"),
    path("conversations/<str:kind>/<uuid:public_id>/", order.change_thing, name="conversation-thing"),
]
