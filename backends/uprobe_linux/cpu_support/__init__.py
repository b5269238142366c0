"""What CPU emulators share beyond the ``Cpu`` protocol."""
