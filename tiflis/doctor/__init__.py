"""`tiflis doctor`: checks of a deployed server from outside, through its proxies."""
