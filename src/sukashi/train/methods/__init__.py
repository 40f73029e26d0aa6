"""Teach a model something new: textual inversion, LoRA, DreamBooth, fine-tuning, Custom Diffusion.

Every method is a module with ``train(model, examples, config, folder)``. ``config`` says how, ``loop`` is what they
share, ``taught`` what a method tells the loop: which weights train, and how they are written.
"""
