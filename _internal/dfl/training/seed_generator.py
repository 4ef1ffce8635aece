"""Random numbers of the engine: for noise on labels, and for learning-rate dropout."""

import keras


def seed_generator(seed: int) -> keras.random.SeedGenerator:
    """A generator for any seed of a model (0 to 2**32 - 1): torch's ends at 2**31, so the highest bit is left out."""
    return keras.random.SeedGenerator(seed % 2**31)
