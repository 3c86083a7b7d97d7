"""What people decide about volumes, drives and robots: one function for each, used by pages, API and command line.

Each checks first and changes nothing when it refuses. What a robot or a drive has to do becomes a job; the rest is done
at once. `by` is the name of who asks; where from is known to hsm/access/actor.
"""

from hsm.media.refusal import MediaRefused

__all__ = ["MediaRefused"]
