"""Orders from the hospital's systems: HL7 v2 over MLLP."""
