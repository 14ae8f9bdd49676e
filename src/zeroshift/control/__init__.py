"""What is read from the source branch and done to the target branch."""
