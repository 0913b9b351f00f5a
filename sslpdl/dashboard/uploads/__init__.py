"""Files that visitors send: received by `handler`, read by `child` in a process of its own, and then an archive.

A page asks for a ticket over its WebSocket (`answers`), sends each file with it, and asks for the files to be read.
What is sent is never opened by the server itself, and no name that a browser says becomes a path.
"""

from __future__ import annotations
