"""From failing cases to words: the fault that explains them, where they differ, a smallest case."""
