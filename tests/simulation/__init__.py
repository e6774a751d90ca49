"""A casino with two processes, its wallet and its person, in a world where one seed decides everything.

``wire`` stands between the code under test and SQLite, ``processes`` make apps that can be killed, ``story`` draws what
happens, ``history`` lets it happen, ``books`` compare what came of it with a plain model.
"""
