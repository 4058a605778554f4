"""Wiring only: settings, URLs, ASGI, Celery. Every process of ours sends tasks through the application named here."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
