"""A load client, processes under measure, small statistics."""
