"""The live judge: the process with the model, its other end, a visitor's question, what came out."""
