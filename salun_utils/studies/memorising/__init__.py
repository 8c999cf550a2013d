"""Does the mask help, and who wins, on a network that remembers every picture? The recorded runs of
`speednet` on CIFAR-10, under every reading of the attack.
"""
