"""How ops are told: gathers what waits for each target, sends it, and listens for who has seen it.

The intent is committed before anything leaves. Two replicas never send the same message at once;
after a crash one message to each target may arrive twice, where the target knows no repeats.
"""
