"""What is kept where, and why: catalog, policy, scheduler, media format and the engine."""
