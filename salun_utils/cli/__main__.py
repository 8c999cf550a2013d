"""``python -m salun_utils.cli``."""

from . import main

raise SystemExit(main())
