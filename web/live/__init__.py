"""Progress as it happens: server-sent events of jobs, recalls and drives."""
