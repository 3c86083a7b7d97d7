"""What pages and alarms want to know at once and what is costly to ask: worked out by the clock, kept, thinned."""
