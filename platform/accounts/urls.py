from django.urls import path

from accounts.web import doors, oidc, passwords, second_factor, settings

urlpatterns = [
    path("login/", doors.login, name="login"),
    path("login/code/", second_factor.code, name="login-code"),
    path("login/enrol/", second_factor.enrol, name="login-enrol"),
    path("login/oidc/callback/", oidc.callback, name="oidc-callback"),
    path("login/oidc/<uuid:public_id>/", oidc.start, name="oidc-start"),
    path("logout/", doors.logout, name="logout"),
    path("language/", doors.language, name="language"),
    path("password/forgotten/", passwords.forgotten, name="password-forgotten"),
    path("password/reset/<str:token>/", passwords.reset, name="password-link"),
    path("settings/", settings.account, name="settings"),
    path("settings/password/", settings.password, name="settings-password"),
    path("settings/second-factor/", second_factor.manage, name="second-factor"),
    path("settings/sign-ins/", settings.end_sign_ins, name="settings-sign-ins"),
    path("settings/keys/", settings.create_key, name="settings-keys"),
    path("settings/keys/<uuid:public_id>/revoke/", settings.revoke_key, name="settings-key-revoke"),
]
