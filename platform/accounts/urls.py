from django.urls import path

from accounts import web

urlpatterns = [
    path("login/", web.login, name="login"),
    path("logout/", web.logout, name="logout"),
    path("language/", web.language, name="language"),
    path("settings/", web.account, name="settings"),
]
