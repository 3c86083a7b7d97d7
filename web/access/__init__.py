"""Who is in front of a page, and whether that person may do what the page does."""
