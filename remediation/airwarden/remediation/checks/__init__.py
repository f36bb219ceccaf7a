"""Live re-reads that confirm a fault before acting and verify health after, one file per subject."""
