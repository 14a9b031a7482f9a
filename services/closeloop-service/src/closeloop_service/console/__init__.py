"""The console's pages of the closed loop: the board, a task's panel, improvements, rulebooks."""
