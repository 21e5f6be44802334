"""Terminal, JSON lines, JUnit and HTML reports."""
