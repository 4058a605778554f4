"""The embedded default: plain HTTP on the loopback, with the appliance's own servers and secrets."""

from config.settings.base import *  # noqa: F403
