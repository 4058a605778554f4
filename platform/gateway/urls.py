from django.urls import path

from gateway import web

urlpatterns = [path("settings/usage/", web.own_usage, name="settings-usage")]
