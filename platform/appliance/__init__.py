"""The embedded default: PostgreSQL with pgvector and Redis as child processes, and the processes of the product."""
