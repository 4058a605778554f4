from django.apps import AppConfig


class ConversationsConfig(AppConfig):
    name = "assistants.conversations"
    label = "conversations"
