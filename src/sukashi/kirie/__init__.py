"""kirie (切り絵): the tiny model inside the package, and the world it was trained on."""
