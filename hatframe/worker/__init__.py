"""The process in which code of packages runs: messages, crashes, time limits, and cleaning up."""
