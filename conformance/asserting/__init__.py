"""Arrays judged in someone's own tests: outputs and gradients of one layer."""
