"""REST for programs: texts, classes, who is in them, and teachers' tokens; reading itself is in `sessions.api`.

`base` is what every view of both has in common, `serializers` the bodies, `paging` the lists, `errors` the refusals.
Objects are reached through the `…_for_user` look-ups alone: another's is absent.
"""
