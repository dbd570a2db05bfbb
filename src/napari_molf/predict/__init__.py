"""The Predict section: what to predict, with which model, and the run in its child process."""
