"""The whole of Heardback on one machine: supervisor, mailbox, simulated customers, replay."""
