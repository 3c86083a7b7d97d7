"""Who may do what: people, their roles, the rights of each role. Knows no web page and no password hashing."""
