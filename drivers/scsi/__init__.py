"""What SCSI calls things: commands and their outcomes, sense data. Spoken by the simulator's target and by tests."""
