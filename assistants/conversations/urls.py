from django.urls import path

from assistants.conversations import web, web_branches, web_order, web_sharing

urlpatterns = [
    path("", web.new, name="chat"),
    path("c/<uuid:public_id>/", web.conversation, name="conversation"),
    path("c/<uuid:public_id>/sent/<uuid:run>/", web.sent, name="sent"),
    path("messages/<uuid:public_id>/edit/", web_branches.edit, name="message-edit"),
    path("messages/<uuid:public_id>/regenerate/", web_branches.regenerate, name="message-regenerate"),
    path("messages/<uuid:public_id>/continue/", web_branches.go_on, name="message-continue"),
    path("messages/<uuid:public_id>/activate/", web_branches.activate, name="message-activate"),
    path("messages/<uuid:public_id>/feedback/", web_branches.feedback, name="message-feedback"),
    path("c/<uuid:public_id>/share/", web_sharing.share, name="conversation-share"),
    path("share/<str:token>/", web_sharing.shared, name="share"),
    path("settings/conversations/", web_sharing.moving, name="moving"),
    path("settings/conversations/import/", web_sharing.bring, name="bring"),
    path("settings/conversations/imports/<uuid:public_id>/", web_sharing.brought, name="brought"),
    path("settings/shares/<uuid:public_id>/revoke/", web_sharing.revoke, name="share-revoke"),
    path("send/", web.send, name="send"),
    path("c/temporary/", web_order.temporary, name="temporary"),
    path("c/<uuid:public_id>/menu/", web_order.menu, name="conversation-menu"),
    path("c/<uuid:public_id>/organise/", web_order.organise, name="conversation-organise"),
    path("c/<uuid:public_id>/delete/", web_order.delete, name="conversation-delete"),
    path("c/<uuid:public_id>/restore/", web_order.restore, name="restore-conversation"),
    path("conversations/", web_order.index, name="conversations"),
    path("conversations/sidebar/", web_order.sidebar, name="conversations-sidebar"),
    path("conversations/bin/", web_order.bin_page, name="bin-page"),
    path("conversations/bin/empty/", web_order.empty_bin, name="empty-bin"),
    path("conversations/folders/", web_order.create_folder, name="conversation-folder-create"),
    path("conversations/<str:kind>/<uuid:public_id>/", web_order.change_thing, name="conversation-thing"),
]
