"""Sample studies, and a whole small archive with simulated libraries to try Firn without hardware."""
