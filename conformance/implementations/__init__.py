"""What is judged: the built-in implementations, plug-ins, and their isolation."""
