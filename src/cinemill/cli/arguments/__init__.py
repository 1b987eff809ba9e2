"""What commands are given: the argument parser's errors and help, choices and their completion."""
