"""Reports: one account of a run, whatever it comes from, and every form in which it is shown."""
