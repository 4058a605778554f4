"""Mail of sign-in, and sweeping away what has run out. Arguments are keys only."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from smtplib import SMTPException
from typing import ClassVar

from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.mail import send_mail
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, override
from kombu.exceptions import OperationalError

from accounts import passwords
from accounts.models import RefreshToken, SignIn, User
from core.errors import AppError
from isolation import context
from isolation.tasks import tenant_task

KEPT = timedelta(days=30)  # that an ended sign-in stays in the table


class MailUnavailable(AppError):
    code: ClassVar[str] = "unavailable"
    status = 503
    title = gettext_lazy("Temporarily unavailable")


def ask_for_link(email: str) -> None:
    """Send a link to the person with this address, if there is one; the caller cannot tell. Raises `MailUnavailable`."""
    with context.use(context.auth(context.current().schema)):
        user = User.objects.filter(email=email.strip().lower(), is_active=True).first()
        try:
            send_password_link.apply_async([user.pk if user else 0], retry=False)  # 0 is nobody, and takes as long.
        except OperationalError as error:
            raise MailUnavailable(retry_after=5) from error


@tenant_task(name="accounts.tasks.send_password_link", autoretry_for=(OSError, SMTPException), retry_backoff=5, max_retries=5)
def send_password_link(person: int) -> None:
    """Mail the link; without a mail server it becomes a file in the data folder. Sent twice, both work until one is used."""
    user = User.objects.filter(pk=person, is_active=True).first()
    if user is None:
        return
    if not settings.EMAIL_HOST:
        Path(settings.EMAIL_FILE_PATH).mkdir(mode=0o700, parents=True, exist_ok=True)
    with override(user.language):
        paragraphs = (
            _("Somebody, probably you, asked for a new password. Set it here within an hour:"),
            passwords.make_link(user),
            _("If it was not you, nothing has changed."),
        )
        send_mail(_("Your new password"), "\n\n".join(paragraphs), None, [user.email])


@tenant_task(name="accounts.tasks.sweep")
def sweep() -> None:
    """Delete sessions, tokens and sign-ins that ended long ago. Safe to repeat."""
    now = timezone.now()
    with context.use(context.auth(context.current().schema)):
        Session.objects.filter(expire_date__lt=now).delete()
        RefreshToken.objects.filter(expires_at__lt=now - KEPT).delete()
        SignIn.objects.filter(expires_at__lt=now - KEPT).delete()
        SignIn.objects.filter(ended_at__lt=now - KEPT).delete()
