"""Saved models, and what converters have made of them, judged layer by layer."""
