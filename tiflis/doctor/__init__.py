"""`tiflis doctor`: checks of a deployed server from outside, through whatever stands in front of it."""
