"""The activations and their derivatives: how each is evaluated, bounded and decided.

``elementwise`` and ``rows`` hold them as certified functions, ``derivatives`` takes gradients back
through them, and ``by_name`` joins the forms of each element-wise one.  Its forms are made of
``enclosures`` (float64 with bounds), ``expansions`` and ``piece_expansions`` (double-double
arithmetic; ``row_expansions`` for rows), ``formulas`` and ``slopes`` (real functions), ``pieces``
(stretches of constant slope) and ``constants``.
"""
