"""Who is told of what, and how: rules route events to targets; what is to be told is kept until it was."""
