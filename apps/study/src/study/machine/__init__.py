"""What a study may use of a machine: cores, memory, GPUs, and what each job needs of them."""
