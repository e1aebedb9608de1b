"""Training one LoRA adapter with TRL and PEFT: batches, layers, and the trainer. Everything here imports torch."""
