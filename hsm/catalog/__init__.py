"""The only writer of the database."""
