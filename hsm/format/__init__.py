"""What lies on media: labels, packs and discs, written, read and verified on streams. docs/FORMAT.md says it first."""
