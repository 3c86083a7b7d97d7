"""The audit trail as DICOM audit messages to a syslog server. Source: PS3.15 section A.5, IHE ITI-20."""
