"""The tasks: questions with a true answer that every family of techniques is asked alike."""
