"""Rules in a form: what a browser sends, and what its buttons do to it."""
