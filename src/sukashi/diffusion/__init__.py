"""The mathematics: levels, grids, samplers, guidance, noise. Knows no network."""
