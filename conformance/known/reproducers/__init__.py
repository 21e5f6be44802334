"""Stand-alone programs that show framework defects; each exits with 0 while its defect is there."""
