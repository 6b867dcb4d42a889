"""What can be done with classes, students and texts: plain synchronous functions, one transaction each.

`attempts` counts guesses, `doors` lets students in, `accounts` and `tokens` are the teachers', `roster` is a class's
students, `classes` the classes themselves, `texts` what they read. Views, forms, the admin and the demo call these.
What reading sessions must know is told by `signals`.
"""
