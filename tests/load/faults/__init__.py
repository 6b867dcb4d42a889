"""The proofs of the promises (docs/promises.md): things are killed, stopped, cut and flooded, and it is counted.

    python -m tests.load.faults P1 P3 --n 100 --scale 0.1 --seed 7

`ground` starts private servers and the real processes, `pages` are clients that count what they were told,
`witness` reads the database and the scripted model's own list of calls. One module for each kind of fault.
Nothing here mends what it finds, and nothing here is timed as a test of the suite.
"""
