"""What can be done with reading sessions: plain synchronous functions, one transaction each.

`reading` starts and moves a reading, `questions` records what students ask, `queue` is the tutor's side of
the same rows, `classes` is the teacher's, `revising` moves places when a text changes, `snapshots` shows it
all, `presence` is what a process asks once a second. Consumers, views and the tutor call these; nothing here
knows a socket, a request or a model.
"""
