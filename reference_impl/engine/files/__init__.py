"""Model files: ``.keras``, ``.h5`` and ``.weights.h5``, as Keras 3 and Keras 2 write them.

A ``.keras`` file is a zip archive of ``config.json``, ``metadata.json`` and ``model.weights.h5``.
The weights are HDF5 datasets ``layers/<layer>/vars/<number>``, where ``<layer>`` is the layer's
class name in snake case, numbered from the second of a class on, and the attribute ``name`` of
``vars`` is the layer's own name (in files of older versions it is missing).  An ``.h5`` file has
the configuration as the attribute ``model_config``, and the weights as ``model_weights/<name>``
with the attribute ``weight_names``.

Files come from anywhere.  Nothing but plain data sets inside the file itself is read: no external
storage, links or virtual data sets, no more members or elements than the file's own size accounts
for; and what is no model ends in a ValueError that names the file.
"""
