"""One file a revision; a revision is never edited once released."""
