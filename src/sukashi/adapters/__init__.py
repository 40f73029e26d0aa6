"""What is added to a loaded model from outside: LoRAs, learnt words, control networks. The model stays as it was."""
