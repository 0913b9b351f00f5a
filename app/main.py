"""Entry point of `panel serve app/`; everything is in `sslpdl.dashboard`."""

from sslpdl.dashboard import Settings
from sslpdl.dashboard.page import create

create(Settings.from_environment()).servable(title="SSLPDL")
