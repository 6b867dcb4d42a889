"""REST for programs that read: reading sessions, progress, questions, tickets for sockets.

A body is held against the classes of `messages`, written by the same services as a socket's message and answered
with the same payload; only the transport differs. What all views share is in `classrooms.api`.
"""
