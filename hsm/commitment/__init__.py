"""Storage commitment: what somebody who wants to forget objects asks for, and when it may be promised."""
