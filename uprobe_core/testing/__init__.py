"""What tests of uprobe and of its plugins use; ``docs/testing.md`` says how.

* :mod:`uprobe_core.testing.fake_backend`: a scripted backend, no emulator
* :mod:`uprobe_core.testing.toy_arch`: ten instructions for it
* :mod:`uprobe_core.testing.compliance`: test classes for backends, decoders, archs and consumers
* :mod:`uprobe_core.testing.conformance`: bare against probed execution of any arm64 instruction
"""
