"""Does SalUn behave alike on different networks? `anatomy` says where in a network a mask sits,
`measure` records it for many networks, and
`study` reads what unlearning gave on each."""

from .anatomy import KINDS, anatomy, by_depth, by_kind, depths, idle, kinds, unevenness

__all__ = ["KINDS", "anatomy", "by_depth", "by_kind", "depths", "idle", "kinds", "unevenness"]
