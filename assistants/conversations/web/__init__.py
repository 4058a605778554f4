"""The pages of conversations: the chat, its versions, its order, its links."""
