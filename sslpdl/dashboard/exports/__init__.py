"""Downloads: picture, film, NetCDF and CSV of what a visitor looks at, made in threads of their own.

`jobs` takes an order, waits for its turn, and sends the file to the browser, which saves it: no address is needed
beside the page's own, so that downloads work wherever the page does.
"""

from __future__ import annotations
