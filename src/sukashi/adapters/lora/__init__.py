"""LoRA and its relatives: small files that change the weights of a model.

Hu et al. 2021, arXiv:2106.09685. ``read`` opens a file of any layout, ``match`` finds the layers it is for, ``apply``
makes a model that has them on the fly or merged; ``formulas`` are the mathematics, ``find`` looks files up by name.
"""
