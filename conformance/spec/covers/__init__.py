"""Which clauses a case tests: one short predicate over the case's facts for each clause.

A table maps clause ids to predicates; ``{layer}`` in an id stands for the case's layer.  There is
one table for each kind of observation and family of layers.
"""
