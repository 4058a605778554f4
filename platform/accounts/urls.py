from django.urls import path

from accounts.web import doors, settings

urlpatterns = [
    path("login/", doors.login, name="login"),
    path("logout/", doors.logout, name="logout"),
    path("language/", doors.language, name="language"),
    path("settings/", settings.account, name="settings"),
]
