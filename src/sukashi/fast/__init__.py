"""The same numbers, sooner: a loaded network -> a twin that shares its weights and computes with other kernels.

Nothing in ``nets/`` knows of it, and a network stays as it was read: ``twin.Quick`` is asked for a twin at every call.
What is replaced on which machine is in ``choice``; every private operation of torch is in ``ops``.
"""
