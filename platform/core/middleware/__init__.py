"""One asynchronous middleware runs the steps of a request in their order (see `chain`)."""
