"""The one door to models. Importing it loads no numerical library and no provider's client."""
