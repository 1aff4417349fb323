"""Measurements and fault tests of a running server, from the outside: one command each, one JSON line a figure.

    make bench              every figure (python -m bench.run; --quick for a smoke run; --only WORD for some)
    make bench-data         100,000, one and five million stored rows for each engine, once, into bench/data/ (python -m bench.data ROWS)
    python -m bench.kill9          kill -9 under load, 20 times for each engine; prints what was in flight
    python -m bench.phones         phones, their network and the server fail together, about three minutes for each engine
    python -m bench.fsync_order    under strace: the commit's fsync has returned before the answer is written

Law: nothing here imports the gateway, but data.py, which has it fill the search index. Nothing here is measured.
`cpu_us` is CPU microseconds of every server process (the server, its SQLite writer, the whole PostgreSQL) for each accepted and committed
message; the load program is never counted, but it does use the same cores, so `rate` and the latencies are this machine's and only
ratios travel.
"""
