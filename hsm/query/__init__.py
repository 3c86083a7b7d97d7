"""Questions about what is kept: C-FIND and QIDO-RS identifiers, matching, and answers."""
