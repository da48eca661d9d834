"""The picture: what an operator sees of a relay in a terminal, drawn from the control socket alone.

`launch` opens it; `app` is the frame, `link` the one way to the relay, `actions` the one table of keys, `place` where one is. A screen is
`screens/x.py` over a pure `present/x.py`. Nothing here knows a queue, a configuration or a relay.
"""
