"""Conversations from elsewhere: read in pieces, understood by shape, stored one by one, nothing left out in silence."""
